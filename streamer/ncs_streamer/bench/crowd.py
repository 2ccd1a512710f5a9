"""Many subscribers in a process of their own, and how to tell them what to do."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import multiprocessing
import selectors
import socket
import struct
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable
from multiprocessing.connection import Connection
from typing import Any

from ..door import raise_open_files
from .light_reader import Chunks, LightReader, LostError, State

__all__ = ["Crowd", "Tally", "crowd"]

_READ_BYTES = 256 * 1024
_OPEN_S = 180.0
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: a reset, and nothing left behind


@dataclasses.dataclass(frozen=True, slots=True)
class Tally:
    """What a crowd has got since it was last asked.

    Attributes:
        messages: all that came.
        size: bytes of it.
        ages_s: from the arrival of the cause to the receipt, of those who decode.
        first: when the first of them came, epoch seconds; 0 for none.
        last: when the last of them came.
        gaps: offsets left out, of those who check; ever.
        recovered: readers who last came back to everything that they had missed.
        lost: what the server said to those that it wanted no more.
        cpu_s: what the process has used.
    """

    messages: int
    size: int
    ages_s: list[float]
    first: float
    last: float
    gaps: int
    recovered: int
    lost: list[str]
    cpu_s: float


class Crowd:
    """The handle; the readers are in the other process."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    async def open(self, count: int) -> float:
        """Let so many more subscribe, all at once; return the seconds it took.

        Raises:
            LostError: if one of them is not let in.
        """
        return float(await self._ask("open", count))

    async def come_back(self) -> float:
        """Cut all of them off and let them subscribe again from where they were.

        Returns:
            Seconds until the last of them was told of its subscription.

        Raises:
            LostError: if one of them is not let in.
        """
        return float(await self._ask("come_back", 0))

    async def tally(self) -> Tally:
        """Return what came since the last call."""
        tally = await self._ask("tally", 0)
        assert isinstance(tally, Tally)
        return tally

    async def _ask(self, what: str, number: int) -> Any:
        self._pipe.send((what, number))
        answer = await asyncio.to_thread(self._pipe.recv)
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextlib.asynccontextmanager
async def crowd(
    url: str, make: Callable[[Chunks], LightReader], *, cores: list[int] | None = None
) -> AsyncIterator[Crowd]:
    """Give a crowd without anybody in it yet.

    Args:
        url: of the server.
        make: makes the readers, in the process of the crowd.
        cores: where that may run; None for anywhere.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    address = urllib.parse.urlsplit(url)
    arguments = (theirs, str(address.hostname), int(address.port or 80), make, cores)
    process = context.Process(target=_main, args=arguments, daemon=True)
    process.start()
    try:
        yield Crowd(ours)
    finally:
        process.kill()
        process.join()
        ours.close()
        theirs.close()


def _main(
    pipe: Connection,
    host: str,
    port: int,
    make: Callable[[Chunks], LightReader],
    cores: list[int] | None,
) -> None:
    if cores:
        import psutil

        psutil.Process().cpu_affinity(cores)
    raise_open_files()
    readers = _Readers(host, port, make)
    readers.selector.register(pipe, selectors.EVENT_READ)
    while True:
        readers.turn(None)
        if pipe.poll():
            try:
                what, number = pipe.recv()
                pipe.send(getattr(readers, what)(number))
            except EOFError:
                return
            except (LostError, OSError) as error:
                pipe.send(error)


class _Readers:
    """The readers' sockets, in the process of the crowd."""

    def __init__(
        self, host: str, port: int, make: Callable[[Chunks], LightReader]
    ) -> None:
        self.selector = selectors.DefaultSelector()
        self._address = (host, port)
        self._make = make
        self._chunks = Chunks()
        self._readers: dict[LightReader, socket.socket] = {}
        self._ages: list[float] = []
        self._messages = self._size = 0
        self._first = self._last = 0.0
        self._lost: list[str] = []

    # What the handle asks

    def open(self, count: int) -> float:
        """See `Crowd.open`."""
        return self._connect([self._make(self._chunks) for _ in range(count)])

    def come_back(self, _: int) -> float:
        """See `Crowd.come_back`."""
        for reader in list(self._readers):
            self._drop(reader)
        again = list(self._readers)
        self._readers.clear()
        return self._connect(again)

    def tally(self, _: int) -> Tally:
        """See `Crowd.tally`."""
        readers = list(self._readers)
        tally = Tally(
            self._messages,
            self._size,
            self._ages,
            self._first,
            self._last,
            gaps=sum(reader.gaps for reader in readers),
            recovered=sum(reader.recovered for reader in readers),
            lost=self._lost,
            cpu_s=time.process_time(),
        )
        self._ages, self._lost = [], []
        self._messages, self._size, self._first, self._last = 0, 0, 0.0, 0.0
        return tally

    # Sockets

    def _connect(self, readers: list[LightReader]) -> float:
        began, lost = time.monotonic(), len(self._lost)
        for reader in readers:
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(self._address)
            self._readers[reader] = sock
            reader.state = State.HANDSHAKE
            self.selector.register(sock, selectors.EVENT_WRITE, reader)
        while any(reader.state is not State.FOLLOWING for reader in readers):
            self.turn(1.0)
            if len(self._lost) > lost:
                raise LostError(self._lost[-1])
            if time.monotonic() - began > _OPEN_S:
                raise LostError(f"not all are in after {_OPEN_S:.0f} s")
        return time.monotonic() - began

    def turn(self, wait_s: float | None) -> None:
        """Do what can be done on the sockets; wait for something to be."""
        for key, _ in self.selector.select(wait_s):
            if key.data is not None:
                self._serve(key.data, key.fileobj)

    def _serve(self, reader: LightReader, sock: Any) -> None:
        try:
            if self.selector.get_key(sock).events == selectors.EVENT_WRITE:
                sock.sendall(reader.begin("bench"))
                self.selector.modify(sock, selectors.EVENT_READ, reader)
                return
            data = sock.recv(_READ_BYTES)
            if not data:
                raise LostError("the server closed the connection")
            self._receive(reader, sock, data)
        except (LostError, OSError) as error:
            self._drop(reader)
            del self._readers[reader]
            self._lost.append(str(error))

    def _receive(self, reader: LightReader, sock: Any, data: bytes) -> None:
        before, size = reader.messages, reader.size
        if answer := reader.receive(data):
            sock.sendall(answer)
        came = reader.messages - before
        if came <= 0:
            return
        now = time.time()
        self._messages += came
        self._size += reader.size - size
        self._first = self._first or now
        self._last = now
        if reader.ingests:
            self._ages += [now - ingest for ingest in reader.ingests]
            reader.ingests = []

    def _drop(self, reader: LightReader) -> None:
        sock = self._readers[reader]
        self.selector.unregister(sock)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        sock.close()

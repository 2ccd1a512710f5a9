"""Clients of every kind, so that everything that a server counts is counted."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType

import aiohttp
import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from ncs_protocol import JSON, MSGPACK, Codec
from ncs_protocol.messages import Ack, Error, Hello, Points, Subscribe, Welcome

_BATCH = 100
_BEFORE_DRIFT = 25  # batches; the detector trusts itself after 2000 points
_AFTER_DRIFT = 15
_STREAMS = 80  # a tenant may have 100
_PAUSE_S = 0.05
_NEXT_VISIT_S = 0.5


class Traffic:
    """Puts traffic on a server from a thread of its own, within ``with``.

    Attributes:
        sent: points in batches that the server may have applied.
        acked: points in batches that it has.
    """

    def __init__(self, port: int) -> None:
        self.sent = 0
        self.acked = 0
        self._host = f"127.0.0.1:{port}"
        self._key = ""
        self._error: BaseException | None = None
        self._stop: Callable[[], object] = lambda: None
        self._flowing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic")

    def __enter__(self) -> Traffic:
        self._thread.start()
        self._flowing.wait()
        self.check()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(RuntimeError):  # it has ended by itself, and `check` says why
            self._stop()
        self._thread.join()
        self.check()

    def check(self) -> None:
        """Raise what went wrong with the traffic."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self._error = error
        finally:
            self._flowing.set()

    async def _main(self) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(stopped.set)
        async with aiohttp.ClientSession(f"http://{self._host}") as http:
            await self._make_key(http)
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._produce()),
                    group.create_task(self._drift()),
                    group.create_task(self._subscribe()),
                    group.create_task(self._visit()),
                    group.create_task(self._call(http)),
                    group.create_task(self._guess(http)),
                    group.create_task(self._wonder(http)),
                ]
                self._flowing.set()
                ended = asyncio.ensure_future(stopped.wait())
                await asyncio.wait((ended, *tasks), return_when="FIRST_COMPLETED")
                for task in (ended, *tasks):
                    task.cancel()

    async def _make_key(self, http: aiohttp.ClientSession) -> None:
        """Log in, and get a credential with a larger allowance."""
        admin = {"username": "admin", "password": "admin123"}
        async with http.post("/api/v1/auth/login", json=admin) as response:
            token = (await response.json())["access_token"]
        wanted = {"name": "traffic", "permissions": ["read", "write"]}
        bearer = {"Authorization": f"Bearer {token}"}
        async with http.post(
            "/api/v1/auth/api-keys", json=wanted, headers=bearer
        ) as response:
            assert response.status == 201, await response.text()
            self._key = (await response.json())["api_key"]

    async def _wonder(self, http: aiohttp.ClientSession) -> None:
        """Ask again and again what other parameters would do."""
        question = {"params": {"base_threshold": 0.8}}
        headers = {"X-API-Key": self._key}
        while True:
            path = "/api/v1/shadow"
            async with http.post(path, json=question, headers=headers) as response:
                await response.read()
            await asyncio.sleep(_NEXT_VISIT_S)

    async def _open(self, codec: Codec, hello: Hello) -> ClientConnection:
        ws = await connect(
            f"ws://{self._host}/ws",
            subprotocols=[Subprotocol(codec.subprotocol)],
            proxy=None,
        )
        await ws.send(codec.encode(hello), text=not codec.binary)
        return ws

    async def _send(self, ws: ClientConnection, batch: Points) -> Ack | Error:
        """Send a batch and return what became of it."""
        assert batch.array is not None
        self.sent += len(batch.array)
        await ws.send(MSGPACK.encode(batch))
        while True:
            answer = MSGPACK.decode_server(await ws.recv())
            if isinstance(answer, Ack):
                self.acked += answer.accepted
            if isinstance(answer, (Ack, Error)):
                return answer

    async def _produce(self) -> None:
        """Send batches, each of them twice, and one too early."""
        hello = Hello(token=self._key, producer="steady")
        async with await self._open(MSGPACK, hello) as ws:
            for seq, points in enumerate(blobs(0.0), start=1):
                batch = Points(seq=seq, array=points)
                assert isinstance(await self._send(ws, batch), Ack)
                again = await self._send(ws, batch)
                assert isinstance(again, Ack)
                assert again.duplicate
                gap = await self._send(ws, Points(seq=seq + 5, array=points))
                assert isinstance(gap, Error)
                assert gap.code == "seq_gap"
                await asyncio.sleep(_PAUSE_S)

    async def _drift(self) -> None:
        """Fill one stream after the other, and move its blobs in between."""
        hello = Hello(token=self._key, producer="restless")
        async with await self._open(MSGPACK, hello) as ws:
            for number in range(_STREAMS):
                here = itertools.islice(blobs(0.0), _BEFORE_DRIFT)
                there = itertools.islice(blobs(50.0), _AFTER_DRIFT)
                both = itertools.chain(here, there)
                for seq, points in enumerate(both, start=1):
                    batch = Points(seq=seq, stream=f"restless-{number}", array=points)
                    assert isinstance(await self._send(ws, batch), Ack)
                await asyncio.sleep(_NEXT_VISIT_S)
            await asyncio.Event().wait()

    async def _subscribe(self) -> None:
        """Read the events of a stream."""
        async with await self._open(JSON, Hello(token=self._key)) as ws:
            await ws.send(JSON.encode(Subscribe(id="page")), text=True)
            async for frame in ws:
                JSON.decode_server(frame)

    async def _visit(self) -> None:
        """Come and go; with a good key, and with a bad one."""
        while True:
            async with await self._open(JSON, Hello(token=self._key)) as ws:
                assert isinstance(JSON.decode_server(await ws.recv()), Welcome)
            async with await self._open(JSON, Hello(token="no-such-token")) as ws:
                await ws.wait_closed()
            await asyncio.sleep(_NEXT_VISIT_S)

    async def _call(self, http: aiohttp.ClientSession) -> None:
        """Use the REST API, rightly and wrongly."""
        key = {"X-API-Key": self._key}
        calls: list[tuple[Callable[[], Awaitable[int]], int]] = [
            (lambda: self._post(http, [[0.0, 1.0], [2.0, 3.0]]), 200),
            (lambda: self._post(http, [[0.0, 1.0], [2.0]]), 422),
            (lambda: status_of(http.get("/api/v1/clusters_summary", headers=key)), 200),
            (lambda: status_of(http.get("/api/v1/nothing", headers=key)), 404),
            (lambda: status_of(http.get("/metrics", headers=key)), 403),
        ]
        while True:
            for call, expected in calls:
                assert await call() == expected
            await asyncio.sleep(_NEXT_VISIT_S)

    async def _post(
        self, http: aiohttp.ClientSession, points: list[list[float]]
    ) -> int:
        self.sent += len(points)
        status = await status_of(
            http.post(
                "/api/v1/process_points",
                json={"points": points, "stream": "rest"},
                headers={"X-API-Key": self._key},
            )
        )
        self.acked += len(points) if status == 200 else 0
        return status

    async def _guess(self, http: aiohttp.ClientSession) -> None:
        """Log in wrongly, more often than one may."""
        guess = {"username": "admin", "password": "12345678"}
        nothing: dict[str, str] = {}  # uses up the allowance, but no time to hash
        for body in itertools.cycle([guess, *[nothing] * 19]):
            status = await status_of(http.post("/api/v1/auth/login", json=body))
            assert status in (401, 422, 429)
            await asyncio.sleep(_PAUSE_S)


async def status_of(
    request: AbstractAsyncContextManager[aiohttp.ClientResponse],
) -> int:
    """Return the status of the answer, when all of it has come."""
    async with request as response:
        await response.read()
        return response.status


def blobs(offset: float) -> Iterator[NDArray[np.float32]]:
    """Yield batches of points in three blobs, and of a few that lie elsewhere."""
    rng = np.random.default_rng(7)
    centres = offset + np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    while True:
        points = centres[rng.integers(3, size=_BATCH)] + rng.normal(size=(_BATCH, 2))
        points[:2] += 30.0 * rng.normal(size=(2, 2))
        yield points.astype(np.float32)

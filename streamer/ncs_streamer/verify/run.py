"""One run: servers under load and faults, and the verdict on them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from ncs_client import AsyncNCSClient, UnavailableError
from ncs_engine import EngineParams

from ..auth import TokenIssuer
from ..entry import Entry
from ..processes import ServerProcess
from ..stream_model import StreamModel
from .batches import Batches
from .drive import STREAM, Load, Reader, produce, resume_of
from .faults import Fault, Kind, schedule
from .gateway import GatewayProcess
from .inflict import Inflictor, start_watched
from .judge import Books, Model, judge, read_books
from .ledger import ProducerLedger, ReaderLedger, Told, Violation
from .proxy import Proxy
from .pushes import PushLedger, lanes_of
from .report import Report, make_report
from .witness import journal_of, keep_what_is_forgotten
from .witnessed_redis import WitnessedRedis

__all__ = ["Plan", "verify"]

_SECRET = "a secret for verifying alone, on a server of its own"  # noqa: S105
_LIFETIME_S = 10 * 365 * 86400.0  # of the token: clocks may jump
_APART = 1  # producers that are gateways, where these are to be killed
_SPOOLS = "ncs-verify-spools-"
_TENANT = "verify"
_REDIS_FLAGS = ("--redis-timeout-s", "1", "--snapshot-points", "20000")
"""The witness has to read what a snapshot lets go, also on a busy machine."""
_NODE_FLAGS = ("--redis-timeout-s", "3", "--lease-s", "3")
"""Several nodes and their clients are a lot for one machine."""
_CODECS = ("msgpack", "json")  # taking turns
_FLAGS = (
    "--snapshot-points", "4000", "--history-events", "200", "--heartbeat-s", "2",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Attributes:
        seconds: of load, at least; restarts come on top.
        kills: of the servers.
        producers: how many.
        subscribers: how many.
        faults: kinds.
        seed: of load and schedule.
        store: where the servers keep everything; `redis` starts one.
        nodes: how many servers; several need `redis`, and are one cluster.
        per_second: batches a second of each producer.
        batch_points: points of a batch.
        settle_s: after the last fault, until which everything has to be answered.
    """

    seconds: float
    kills: int
    producers: int
    subscribers: int
    faults: tuple[Kind, ...]
    seed: int
    store: Literal["sqlite", "redis"] = "sqlite"
    nodes: int = 1
    per_second: float = 100.0
    batch_points: int = 10
    settle_s: float = 60.0


async def verify(
    plan: Plan,
    folder: Path,
    *,
    program: Sequence[str] | None = None,
    tell: Callable[[Fault], object] = lambda fault: None,
) -> Report:
    """Run a plan against servers of its own.

    Args:
        plan: what to do.
        folder: for the servers' data; empty.
        program: starts a server, flags follow; None for this installation's.
        tell: called with each fault as it begins.

    Raises:
        StartError: if a server does not start, at first or after a fault.
    """
    flags: tuple[str, ...] = ("--data-dir", str(folder), *_FLAGS)
    env = {"SECRET_KEY": _SECRET}
    async with contextlib.AsyncExitStack() as stack:
        redis = None
        if plan.store == "redis":
            redis = WitnessedRedis(folder / "redis", _TENANT, STREAM)
            await stack.enter_async_context(redis)
            flags += ("--store", redis.url, *_REDIS_FLAGS)
        if plan.nodes > 1:
            flags += _NODE_FLAGS
        servers = {}
        for name in [f"n{number}" for number in range(plan.nodes)]:
            own = (*flags, "--node-name", name)
            servers[name] = ServerProcess(*own, env=env, program=program)
            await start_watched(servers[name])
            stack.push_async_exit(servers[name])
        if redis is None:
            keep_what_is_forgotten(folder)
        return await _Run(plan, folder, servers, redis).run(tell)


class _Run:
    """The parts of a run."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        servers: Mapping[str, ServerProcess],
        redis: WitnessedRedis | None,
    ) -> None:
        self._plan = plan
        self._redis = redis
        self._folder = folder
        self._servers = servers
        self._anyone = next(iter(servers.values()))
        self._token = TokenIssuer(_SECRET, _LIFETIME_S).issue(
            subject="verify",
            tenant=_TENANT,
            scopes=("read", "write"),
            now=time.time(),
        )
        numbers = range(plan.producers)
        self._names = [f"producer-{i}" for i in numbers]
        self._batches = [Batches(plan.seed, i, plan.batch_points) for i in numbers]
        apart = _APART if "gateway" in plan.faults else 0
        self._producers = [
            PushLedger(name) if i < apart else ProducerLedger(name, time.monotonic)
            for i, name in enumerate(self._names)
        ]
        told: Told = {}
        self._readers = [ReaderLedger(str(i), told) for i in range(plan.subscribers)]
        self._gateways: list[GatewayProcess] = []
        self._violations: list[Violation] = []

    async def run(self, tell: Callable[[Fault], object]) -> Report:
        """Load, break, heal, let settle, and reconcile."""
        plan, began = self._plan, time.monotonic()
        faults = schedule(plan.seed, plan.faults, plan.seconds, plan.kills)
        draw = random.Random(plan.seed)  # noqa: S311 - no secret
        stop = asyncio.Event()

        def anyone() -> str:
            servers = list(self._servers.values())
            living = [s for s in servers if s.process.returncode is None]
            return draw.choice(living or servers).url

        async with contextlib.AsyncExitStack() as stack:
            proxy = await stack.enter_async_context(Proxy(anyone, draw))
            spools = stack.enter_context(tempfile.TemporaryDirectory(prefix=_SPOOLS))
            url = _socket_of(proxy.url)
            readers = [
                Reader(url, self._token, ledger, _CODECS[i % 2])
                for i, ledger in enumerate(self._readers)
            ]
            reading = [asyncio.create_task(reader.run()) for reader in readers]
            producing = [
                asyncio.create_task(self._produce(i, proxy.url, Path(spools), stop))
                for i in range(plan.producers)
            ]
            inflictor = Inflictor(
                self._servers,
                proxy,
                self._gateways,
                self._folder,
                draw,
                lambda: sum(p.sent - p.acked for p in self._producers),
                self._redis,
            )
            try:
                await inflictor.run(faults, tell)
                await asyncio.sleep(max(0.0, began + plan.seconds - time.monotonic()))
                stop.set()
                await self._settle(producing)
                live = await self._model("live")
                await self._compare_copies(readers, live)
            finally:
                await self._end([*producing, *reading])
        books = await self._reconcile(inflictor, live)
        return make_report(
            seed=plan.seed,
            seconds=time.monotonic() - began,
            inflictor=inflictor,
            producers=self._producers,
            readers=self._readers,
            books=books,
            violations=self._violations,
        )

    async def _produce(
        self, number: int, url: str, spools: Path, stop: asyncio.Event
    ) -> None:
        name, ledger = self._names[number], self._producers[number]
        load = Load(
            url,
            self._token,
            name,
            self._batches[number],
            self._plan.per_second,
            _CODECS[number % 2],
        )
        if isinstance(ledger, PushLedger):
            gateway = GatewayProcess(load, spools / name, ledger)
            self._gateways.append(gateway)
            await gateway.run(stop)
        else:
            load = dataclasses.replace(load, url=_socket_of(url))
            await produce(load, ledger, stop)

    async def _settle(self, producing: Sequence[asyncio.Task[None]]) -> None:
        """Wait until every batch is answered, as it has to be once all is well."""
        _, waiting = await asyncio.wait(producing, timeout=self._plan.settle_s)
        if waiting:
            missing = {p.name: p.sent - p.acked for p in self._producers}
            text = f"after {self._plan.settle_s:g} s not acknowledged: {missing}"
            self._violations.append(Violation("no answer", text))

    async def _model(self, name: str) -> Model:
        async with AsyncNCSClient(self._anyone.url, self._token) as client:
            try:
                status = await client.get_algorithm_status(STREAM)
                clusters = await client.get_clusters(STREAM)
            except UnavailableError as error:
                self._violations.append(Violation("no model", f"{name}: {error}"))
                return Model.of(name, 0, [])
        return Model.of(name, status.total_points_processed, clusters)

    async def _compare_copies(self, readers: Sequence[Reader], model: Model) -> None:
        """Wait until what every reader has is what the server has."""
        for reader in readers:
            if not await reader.comes_to(model, self._plan.settle_s):
                has, expected = reader.copy().clusters, model.clusters
                text = f"reader {reader.ledger.name} has {has}, not {expected}"
                self._violations.append(Violation("copy differs", text))

    async def _end(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """End producers and readers; one that had ended with an error is a finding."""
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                self._violations.append(Violation("session ended", repr(outcome)))

    async def _reconcile(self, inflictor: Inflictor, live: Model) -> Books:
        """Kill all servers once more, and compare all books."""
        servers = self._servers.values()
        for server in servers:
            await server.kill()
        for server in servers:
            await inflictor.restart(server)
        recovered = await self._model("recovered")
        url = _socket_of(self._anyone.url)
        gateways = {p.name for p in self._producers if isinstance(p, PushLedger)}
        marks = {
            lane: await resume_of(url, self._token, lane)
            for name in self._names
            for lane in (lanes_of(name) if name in gateways else (name,))
        }
        codes = [*inflictor.exit_codes, *[await s.stop() for s in servers]]
        if any(codes):
            text = f"SIGTERM gave the exit codes {codes}"
            self._violations.append(Violation("exit", text))
        replayed = StreamModel(STREAM, "", EngineParams())
        if self._redis is None:
            journal = journal_of(self._folder, STREAM)
        else:
            journal = await self._redis.journal()
        entries = _applied_to(replayed, journal)
        books = read_books(entries, self._names, self._batches, gateways)
        view = replayed.view()
        points = view.statistics["total_points_processed"]
        models = [live, recovered, Model.of("replayed", points, view.clusters)]
        self._violations += judge(self._producers, books, marks, models)
        for reader in self._readers:
            self._violations += reader.violations
        return books


def _applied_to(
    model: StreamModel, entries: Iterator[tuple[int, Entry]]
) -> Iterator[tuple[int, Entry]]:
    """Yield the entries, each applied to the model if it is the next."""
    for offset, entry in entries:
        if offset == model.offset + 1:
            model.apply(offset, entry)
        yield offset, entry


def _socket_of(url: str) -> str:
    return url.replace("http", "ws", 1) + "/ws"

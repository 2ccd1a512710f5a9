"""One run: a server under load and faults, and the verdict on it."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ncs_client import AsyncNCSClient
from ncs_engine import EngineParams

from ..auth import TokenIssuer
from ..bench.figures import percentile_ms
from ..cli.child import ServerProcess
from ..stream_model import StreamModel
from .batches import Batches
from .drive import STREAM, Load, Reader, produce, resume_of
from .faults import Fault, Kind, schedule
from .gateway import GatewayProcess
from .inflict import Inflictor
from .judge import Model, judge, read_books
from .ledger import ProducerLedger, ReaderLedger, Told, Violation
from .proxy import Proxy
from .witness import journal_of, keep_what_is_forgotten

__all__ = ["Plan", "Report", "verify"]

_SECRET = "a secret for verifying alone, on a server of its own"  # noqa: S105
_LIFETIME_S = 10 * 365 * 86400.0  # clocks may jump
_GATEWAYS = 1
_FLAGS = (
    "--snapshot-points", "4000", "--history-events", "200", "--heartbeat-s", "2",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Attributes:
        seconds: of load, at least; restarts come on top.
        kills: of the server.
        producers: how many.
        subscribers: how many.
        faults: kinds.
        seed: of load and schedule.
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
    per_second: float = 100.0
    batch_points: int = 10
    settle_s: float = 60.0


@dataclasses.dataclass(slots=True)
class Report:
    """What came of it; `violations` empty is what was promised.

    Counts are batches unless they say otherwise.
    """

    seed: int
    seconds: float = 0.0
    faults: dict[str, int] = dataclasses.field(default_factory=dict)
    recovery_ms: dict[str, float] = dataclasses.field(default_factory=dict)
    sent: int = 0
    acked: int = 0
    applied: int = 0
    applied_points: int = 0
    offered_again: int = 0
    """Transmissions of batches that had gone out before."""
    duplicates_refused: int = 0
    """Acks that said: in the model already, not applied again."""
    refusals: dict[str, int] = dataclasses.field(default_factory=dict)
    events: int = 0
    gaps_told: int = 0
    ack_ms: dict[str, float] = dataclasses.field(default_factory=dict)
    violations: list[Violation] = dataclasses.field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        report = dataclasses.asdict(self)
        report["violations"] = [v._asdict() for v in self.violations]
        return report


async def verify(
    plan: Plan,
    folder: Path,
    *,
    program: Sequence[str] | None = None,
    tell: Callable[[Fault], object] = lambda fault: None,
) -> Report:
    """Run a plan against a server of its own.

    Args:
        plan: what to do.
        folder: for the server's data; empty.
        program: starts the server, flags follow; None for this installation's.
        tell: called with each fault as it begins.

    Raises:
        StartError: if the server does not start, at first or after a fault.
    """
    flags = ("--data-dir", str(folder), *_FLAGS)
    env = {"SECRET_KEY": _SECRET}
    async with ServerProcess(*flags, env=env, program=program) as server:
        keep_what_is_forgotten(folder)
        return await _Run(plan, folder, server).run(tell)


class _Run:
    """The parts of a run."""

    def __init__(self, plan: Plan, folder: Path, server: ServerProcess) -> None:
        self._plan = plan
        self._folder = folder
        self._server = server
        self._token = TokenIssuer(_SECRET, _LIFETIME_S).issue(
            subject="verify",
            tenant="verify",
            scopes=("read", "write"),
            now=time.time(),
        )
        self._names = [f"producer-{i}" for i in range(plan.producers)]
        self._batches = [
            Batches(plan.seed, i, plan.batch_points) for i in range(plan.producers)
        ]
        self._producers = [ProducerLedger(n, time.monotonic) for n in self._names]
        told: Told = {}
        self._readers = [ReaderLedger(str(i), told) for i in range(plan.subscribers)]
        self._violations: list[Violation] = []

    async def run(self, tell: Callable[[Fault], object]) -> Report:
        plan = self._plan
        draw = random.Random(plan.seed)  # noqa: S311 - no secret
        began = time.monotonic()
        async with Proxy(lambda: self._server.url, draw) as proxy:
            url = proxy.url.replace("http", "ws") + "/ws"
            loads = list(map(self._load, range(plan.producers), [url] * plan.producers))
            apart = _GATEWAYS if "gateway" in plan.faults else 0
            gateways = [
                GatewayProcess(load, ledger)
                for load, ledger in zip(loads[:apart], self._producers, strict=False)
            ]
            readers = [
                Reader(url, self._token, ledger, ("msgpack", "json")[i % 2])
                for i, ledger in enumerate(self._readers)
            ]
            inflictor = Inflictor(self._server, proxy, gateways, self._folder, draw)
            stop = asyncio.Event()
            reading = [asyncio.create_task(reader.run()) for reader in readers]
            producing = [asyncio.create_task(g.run(stop)) for g in gateways] + [
                asyncio.create_task(produce(load, ledger, stop))
                for load, ledger in zip(
                    loads[apart:], self._producers[apart:], strict=True
                )
            ]
            try:
                faults = schedule(plan.seed, plan.faults, plan.seconds, plan.kills)
                await inflictor.run(faults, tell)
                await asyncio.sleep(max(0.0, began + plan.seconds - time.monotonic()))
                stop.set()
                await self._settle(producing)
                models = [await self._model("live")]
                await self._compare_copies(readers, models[0])
            finally:
                for task in (*producing, *reading):
                    task.cancel()
                outcomes = await asyncio.gather(
                    *producing, *reading, return_exceptions=True
                )
            self._note_failures(outcomes)
            return await self._reconcile(inflictor, models, began)

    def _load(self, number: int, url: str) -> Load:
        return Load(
            url,
            self._token,
            self._names[number],
            self._batches[number],
            self._plan.per_second,
            ("msgpack", "json")[number % 2],
        )

    async def _settle(self, producing: Sequence[asyncio.Task[None]]) -> None:
        """Wait until every batch is answered, as it has to be once all is well."""
        if not producing:
            return
        _, waiting = await asyncio.wait(producing, timeout=self._plan.settle_s)
        if waiting:
            open_ends = {p.name: p.sent - p.acked for p in self._producers}
            text = f"after {self._plan.settle_s:g} s, batches not acknowledged: {open_ends}"
            self._violations.append(Violation("no answer", text))

    async def _model(self, name: str) -> Model:
        async with AsyncNCSClient(self._server.url, self._token) as client:
            status = await client.get_algorithm_status(STREAM)
            clusters = await client.get_clusters(STREAM)
        return Model.of(name, status.total_points_processed, clusters)

    async def _compare_copies(self, readers: Sequence[Reader], model: Model) -> None:
        """Wait until what every reader has is what the server has."""
        expected = {
            id: (cluster["size"], cluster["centroid"])
            for id, cluster in model.clusters.items()
        }
        until = time.monotonic() + self._plan.settle_s
        for reader in readers:
            while True:
                copy = {
                    id: (c.size, c.centroid) for id, c in reader.view.clusters.items()
                }
                if copy == expected:
                    break
                if time.monotonic() > until:
                    text = f"reader {reader.ledger.name} has {copy}, not {expected}"
                    self._violations.append(Violation("copy differs", text))
                    break
                await asyncio.sleep(0.05)

    def _note_failures(self, outcomes: Sequence[BaseException | None]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                self._violations.append(Violation("session ended", repr(outcome)))

    async def _reconcile(
        self, inflictor: Inflictor, models: list[Model], began: float
    ) -> Report:
        """Kill the server once more, and compare all books."""
        await self._server.kill()
        await inflictor.restart()
        models.append(await self._model("recovered"))
        url = self._server.url.replace("http", "ws") + "/ws"
        marks = {name: await resume_of(url, self._token, name) for name in self._names}
        code = await self._server.stop()
        if code != 0:
            self._violations.append(Violation("exit", f"SIGTERM gave {code}"))
        replayed = StreamModel(STREAM, "", EngineParams())

        def entries() -> Any:
            for offset, entry in journal_of(self._folder, STREAM):
                if offset == replayed.offset + 1:
                    replayed.apply(offset, entry)
                yield offset, entry

        books = read_books(entries(), self._names, self._batches)
        view = replayed.view()
        points = view.statistics["total_points_processed"]
        models.append(Model.of("replayed", points, view.clusters))
        found = judge(self._producers, books, marks, models)
        for reader in self._readers:
            found += reader.violations
        waits = [wait for p in self._producers for wait in p.waits_s]
        return Report(
            seed=self._plan.seed,
            seconds=round(time.monotonic() - began, 1),
            faults=dict(inflictor.inflicted),
            recovery_ms=_percentiles(inflictor.recoveries_s),
            sent=sum(p.sent for p in self._producers),
            acked=sum(p.acked for p in self._producers),
            applied=sum(len(applied) for applied in books.applied),
            applied_points=books.points,
            offered_again=sum(p.again for p in self._producers),
            duplicates_refused=sum(p.duplicates for p in self._producers),
            refusals=dict(
                sum((Counter(p.refusals) for p in self._producers), Counter())
            ),
            events=sum(reader.events for reader in self._readers),
            gaps_told=sum(reader.gaps_told for reader in self._readers),
            ack_ms=_percentiles(waits),
            violations=self._violations + found,
        )


def _percentiles(seconds: list[float]) -> dict[str, float]:
    return {f"p{q}": percentile_ms(seconds, q) for q in (50, 95, 99)}

"""The steps of a scenario: each is what may be written in YAML, and how it is done.

The docstrings are the table in the README.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

from msgspec import Struct

from .bell import Failure
from .line import Deed, Wrong
from .run import Run
from .wire import End

__all__ = ["STEPS", "Step"]


class Step(Protocol):
    """Something that is done in a run, or waited for."""

    async def take(self, run: Run) -> None:
        """Do it.

        Raises:
            Failure: if what has to happen does not.
        """


class _Written(Struct, forbid_unknown_fields=True):
    """A step as it is written; a field that it has not is an error."""


class Connect(_Written):
    """Open a session, and wait until it is open or, with `fails`, for the error."""

    options: dict[str, Any] = {}
    token: str = ""
    lifetime_s: float = 3600.0
    scopes: tuple[str, ...] = ()
    with_key: bool = False
    fails: dict[str, Any] | None = None
    waits: bool = True

    async def take(self, run: Run) -> None:
        credential = self.token or run.token(self.lifetime_s, *self.scopes)
        if self.with_key:
            async with run.client() as client:
                key = await client.create_key(run.stream)
            credential, run.key_id = key.api_key, key.key_id
        run.driver.tell(
            "connect",
            url=run.line.url,
            token=credential,
            stream=run.stream,
            codec=run.codec,
            **self.options,
        )
        if self.fails is not None:
            await run.driver.until(tell="ended", **self.fails)
        elif self.waits:
            await run.driver.until(tell="open")


class Subscribe(_Written):
    """Follow the stream, and wait for the first snapshot unless `waits` is false."""

    options: dict[str, Any] = {}
    max_queue: int = 1024
    waits: bool = True

    async def take(self, run: Run) -> None:
        run.driver.tell("subscribe", max_queue=self.max_queue, **self.options)
        run.follows = "events" not in self.options
        if self.waits:
            await run.driver.until(tell="event", type="snapshot")


class Send(_Written):
    """Send batches, and wait for what becomes of them unless `waits` is false."""

    batches: int = 1
    points: int = 3
    results: Literal["none", "summary", "full"] = "none"
    ragged: bool = False
    waits: bool = True

    async def take(self, run: Run) -> None:
        for _ in range(self.batches):
            batch = run.batch(self.points)
            if self.ragged:
                batch.points.append([0.0])
            run.driver.tell(
                "send", tag=batch.tag, points=batch.points, results=self.results
            )
        if self.waits:
            await run.settled()


class Settled(_Written):
    """Wait until so many batches are settled in all; every one, by default."""

    batches: int | None = None

    async def take(self, run: Run) -> None:
        await run.settled(self.batches)


class Push(_Written):
    """Let somebody else add points, past the line; of so many clusters of their own."""

    clusters: int = 3
    points: int = 4

    async def take(self, run: Run) -> None:
        rows = [
            [1000.0 * (1 + cluster), 500.0 + run.pushed + i / 100]
            for cluster in range(self.clusters)
            for i in range(self.points)
        ]
        async with run.client() as client:
            await client.process_points(rows, stream=run.stream)
        run.pushed += len(rows)


class Read(_Written):
    """Leave events where they are, or read on."""

    paused: bool

    async def take(self, run: Run) -> None:
        run.driver.tell("read", paused=self.paused)


class Line(_Written):
    """Spoil the line or heal it; `shut` resets whoever tries to connect."""

    do: Literal["cut", "half-open", "swallow", "delay", "heal", "shut", "open"]
    delay_s: float = 0.05

    async def take(self, run: Run) -> None:
        match self.do:
            case "cut":
                run.line.cut()
            case "half-open":
                run.line.half_open()
            case "swallow":
                run.line.swallow()
            case "delay":
                run.line.delay_s = self.delay_s
            case "heal":
                run.line.heal()
            case "shut":
                run.line.is_open = False
            case "open":
                run.line.is_open = True


class Refuse(_Written):
    """Answer the next handshakes with these HTTP statuses."""

    statuses: list[int]

    async def take(self, run: Run) -> None:
        run.line.refusals += self.statuses


class Frames(_Written):
    """Do wrong by messages that have these fields, after `skip` of them."""

    deed: Deed
    to: End
    having: dict[str, Any]
    skip: int = 0
    times: int = 1

    async def take(self, run: Run) -> None:
        wrong = Wrong(self.deed, self.to, self.having, self.skip, self.times)
        run.line.wrongs.append(wrong)


class Release(_Written):
    """Pass on what was held."""

    async def take(self, run: Run) -> None:
        run.line.release()


class Lost(_Written):
    """Wait until so many messages were lost in all."""

    times: int = 1

    async def take(self, run: Run) -> None:
        lost = run.line.lost
        await run.bell.until(lambda: len(lost) >= self.times, f"{self.times} lost")


class Say(_Written):
    """Say something in the server's name; `answers` are fields of the lost message."""

    message: dict[str, Any]
    answers: list[str] = []

    async def take(self, run: Run) -> None:
        same = {name: run.line.lost[-1][name] for name in self.answers}
        run.line.say({**self.message, **same})


class Close(_Written):
    """Close the connection in the server's name."""

    code: int

    async def take(self, run: Run) -> None:
        run.line.close(self.code)


class Server(_Written):
    """Do something to the server; `wipe` kills it and throws away all that it has."""

    do: Literal["kill", "drain", "start", "wipe"]

    async def take(self, run: Run) -> None:
        match self.do:
            case "start":
                await run.server.start()
            case "kill":
                await run.server.kill()
            case "drain":
                code = await run.server.drain()
                if code:
                    raise Failure(f"the server ended with {code}")
            case "wipe":
                await run.server.kill()
                run.server.wipe()
                acked = {t for t, o in run.outcomes().items() if o["tell"] == "acked"}
                for tag in acked:
                    run.batches[tag].is_gone = True


class Token(_Written):
    """Have another credential ready for when the SDK asks for one."""

    lifetime_s: float = 3600.0

    async def take(self, run: Run) -> None:
        await run.has_token(self.lifetime_s)


class Revoke(_Written):
    """Revoke the key of the session."""

    async def take(self, run: Run) -> None:
        async with run.client() as client:
            await client.revoke_key(run.key_id)


class Reset(_Written):
    """Have the model thrown away."""

    async def take(self, run: Run) -> None:
        async with run.client() as client:
            await client.reset_algorithm(run.stream)


class Rival(_Written):
    """Let another program speak for a producer, until this one hears of it."""

    producer: str

    async def take(self, run: Run) -> None:
        rival = run.client().stream(producer=self.producer, streams=[run.stream])
        async with rival:
            await run.bell.until(lambda: run.wire.closings, "the rival to be noticed")


class Barrier(_Written):
    """Wait until the SDK has taken all that was said to it, and answered.

    It is told that its token expires; its `auth` comes after whatever came before.
    """

    async def take(self, run: Run) -> None:
        asked = run.wire.count("server", {"type": "auth"}) + 1
        await run.has_token()
        run.line.say({"type": "token_expiring", "expires_at": 0.0})
        await run.passed("server", asked, {"type": "auth"})


class Report(_Written):
    """Wait until the driver has said something so often."""

    having: dict[str, Any]
    times: int = 1

    async def take(self, run: Run) -> None:
        await run.driver.until(self.times, **self.having)


class Wire(_Written):
    """Wait until so many messages with these fields have passed; `only` so many."""

    to: End
    having: dict[str, Any]
    times: int = 1
    only: bool = False

    async def take(self, run: Run) -> None:
        await run.passed(self.to, self.times, self.having)
        count = run.wire.count(self.to, self.having)
        if self.only and count > self.times:
            raise Failure(f"{count} messages with {self.having}, not {self.times}")


class Attempts(_Written):
    """Wait until the SDK has tried to connect so often in all; `only` so often."""

    times: int
    only: bool = False

    async def take(self, run: Run) -> None:
        tried = run.wire.attempts
        await run.bell.until(lambda: len(tried) >= self.times, f"attempt {self.times}")
        if self.only and len(tried) > self.times:
            raise Failure(f"{len(tried)} attempts to connect, not {self.times}")


class Waits(_Written):
    """See that from one attempt to the next it waited no less than this."""

    after: int
    at_least_s: list[float]

    async def take(self, run: Run) -> None:
        times = run.wire.attempts[self.after - 1 :]
        for number, bound in enumerate(self.at_least_s):
            waited = times[number + 1] - times[number]
            if waited < bound:
                raise Failure(f"wait {number + 1} was {waited:.3f} s, not {bound} s")


class Agrees(_Written):
    """Wait until the SDK's copy of the clusters is what the server has."""

    async def take(self, run: Run) -> None:
        await run.settled()
        await run.agrees()


class Ended(_Written):
    """Wait until the session has ended by itself, for this reason."""

    code: str | None = None
    close_code: int | None = None

    async def take(self, run: Run) -> None:
        said = await run.driver.until(tell="ended")
        for name in ("code", "close_code"):
            wanted = getattr(self, name)
            if wanted is not None and said.get(name) != wanted:
                raise Failure(f"ended with {said}, not {name} {wanted}")
        await run.settled()


STEPS: dict[str, type[Step]] = {
    kind.__name__.lower(): kind
    for kind in (
        Connect, Subscribe, Send, Settled, Push, Read, Token, Revoke, Reset, Rival,
        Line, Refuse, Frames, Release, Lost, Say, Close, Server, Barrier, Report,
        Wire, Attempts, Waits, Agrees, Ended,
    )
}  # fmt: skip

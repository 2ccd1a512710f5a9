"""What a scenario plays with: driver, line, server, and books of what was sent."""

from __future__ import annotations

import dataclasses
from typing import Any

from ncs_client import AsyncNCSClient

from .bell import Bell, Failure
from .driver import Driver
from .line import FaultyLine
from .servers import Server, token_for
from .wire import End, Wire

__all__ = ["Batch", "Run"]

_CENTRES = (0.0, 40.0, 90.0)
_SETTLED = ("acked", "refused", "lost")


@dataclasses.dataclass(slots=True)
class Batch:
    """Points that the driver was told to send; no point is there twice.

    Attributes:
        tag: by which reports name it.
        points: what is sent.
        is_gone: whether a server that had it was wiped since.
    """

    tag: int
    points: list[list[float]]
    is_gone: bool = False


@dataclasses.dataclass(slots=True)
class Run:
    """One scenario with one SDK.

    Attributes:
        stream: its own; no other run uses the name.
        codec: of the session.
        driver: uses the SDK.
        line: between SDK and server.
        wire: what went over it.
        server: real.
        bell: rung when anything happened.
        batches: by tag.
        follows: whether it was told to subscribe.
        pushed: points that came from somebody else.
    """

    stream: str
    codec: str
    driver: Driver
    line: FaultyLine
    wire: Wire
    server: Server
    bell: Bell
    batches: dict[int, Batch] = dataclasses.field(default_factory=dict)
    follows: bool = False
    pushed: int = 0
    key_id: str = ""

    @property
    def tenant(self) -> str:
        """Its own too."""
        return self.stream

    @property
    def has_ended(self) -> bool:
        """Whether the session has ended by itself."""
        return bool(self.driver.reports(tell="ended"))

    def client(self) -> AsyncNCSClient:
        """Return a client that goes past the line."""
        return self.server.client(self.tenant)

    def token(self, lifetime_s: float = 3600.0, *scopes: str) -> str:
        """Return a fresh credential; with all scopes, if none is named."""
        return token_for(self.tenant, lifetime_s, *scopes)

    async def has_token(self, lifetime_s: float = 3600.0) -> None:
        """Give the driver a fresh credential, and wait until it has it."""
        number = len(self.driver.reports(tell="mark")) + 1
        self.driver.tell("token", token=self.token(lifetime_s))
        self.driver.tell("mark", number=number)
        await self.driver.until(tell="mark", number=number)

    def batch(self, points: int) -> Batch:
        """Make a batch, and note it down."""
        tag = len(self.batches) + 1
        batch = Batch(tag, points_of(tag, points))
        self.batches[tag] = batch
        return batch

    def outcomes(self) -> dict[int, dict[str, Any]]:
        """Return what became of each batch, as far as the driver has said."""
        found: dict[int, dict[str, Any]] = {}
        for said in self.driver.said:
            if said["tell"] in _SETTLED:
                if said["tag"] in found:
                    raise Failure(f"batch {said['tag']} was settled twice")
                found[said["tag"]] = said
        return found

    async def settled(self, count: int | None = None) -> None:
        """Wait until so many batches are settled; all, if it is not said."""
        enough = len(self.batches) if count is None else count
        await self.bell.until(
            lambda: len(self.outcomes()) >= enough,
            f"{enough} batches to be settled",
        )

    async def passed(self, to: End, times: int, pattern: dict[str, Any]) -> None:
        """Wait until so many messages of a kind have passed."""
        await self.bell.until(
            lambda: self.wire.count(to, pattern) >= times,
            f"{times} messages to the {to} with {pattern}",
        )

    async def agrees(self) -> None:
        """Wait until the SDK's copy of the clusters is what the server has."""
        async with self.client() as client:
            clusters = await client.get_clusters(self.stream)
        expected = {c.cluster_id: (c.size, c.centroid, c.radius) for c in clusters}
        asked = 0

        def is_equal() -> bool:
            nonlocal asked
            views = self.driver.reports(tell="view")
            if len(views) < asked:
                return False
            copy = {
                c["cluster_id"]: (c["size"], c["centroid"], c["radius"])
                for c in (views[-1]["clusters"] if asked else ())
            }
            if asked and copy == expected:
                return True
            asked += 1
            self.driver.tell("view")
            return False

        await self.bell.until(is_equal, f"a copy equal to {expected}")


def points_of(tag: int, count: int) -> list[list[float]]:
    """Return points around one of three centres, which no other batch has."""
    centre = _CENTRES[tag % len(_CENTRES)]
    return [[centre + tag * 1e-4, centre / 2 + i * 1e-2] for i in range(count)]

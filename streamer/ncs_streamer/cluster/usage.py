"""Limits that count over all nodes: each tells the others what its clients used.

Once a second, and each node only what is its own; so a limit is kept as far as what is
a second old tells. Who is not heard counts for nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict

import msgspec

from ..clock import Clock
from ..door.places import Places
from ..limiter import RateLimiter
from ..logs import get_log
from ..store.contracts import Channel, StoreError, StreamKey
from .hearing import understood

__all__ = ["USAGE", "Usage", "Used"]

USAGE = StreamKey("", "usage")
"""What all nodes hear; no tenant has that name."""

_INTERVAL_S = 1.0
_FORGOTTEN_S = 5.0

log = get_log()


class Used(msgspec.Struct, array_like=True):
    """What the clients of a node used."""

    node: str
    rates: list[tuple[str, str, float]]
    """Since it was said last: tier, caller, seconds of the allowance."""
    addresses: dict[str, int]
    """Connections now, by address."""
    tenants: dict[str, int]
    """Connections now, by tenant."""


class Usage:
    """See the module. Belongs to the event loop's thread.

    Args:
        node: this one's name.
        channel: to the other nodes.
        limiter: of requests; from now on it notes what is used.
        places: of connections.
        clock: for the rates.
    """

    def __init__(
        self,
        node: str,
        channel: Channel,
        limiter: RateLimiter,
        places: Places,
        clock: Clock,
    ) -> None:
        self._node = node
        self._channel = channel
        self._limiter = limiter
        self._places = places
        self._clock = clock
        self._rates: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._has_counts = False  # of connections, told last
        self._others: dict[str, tuple[float, Used]] = {}  # and when it was heard
        limiter.on_use = self._note

    async def listen(self) -> None:
        """Begin to hear the other nodes.

        Raises:
            StoreError: if the store fails.
        """
        await self._channel.subscribe(
            USAGE, understood(Used, self._hear), lambda _: None
        )

    async def run(self) -> None:
        """Tell the other nodes until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            self._add_up()
            try:
                await self._tell()
            except StoreError as error:
                log.warning("usage_not_told", error=str(error))

    def _note(self, key: tuple[str, str], seconds: float) -> None:
        self._rates[key] += seconds

    async def _tell(self) -> None:
        rates = [(*key, seconds) for key, seconds in self._rates.items()]
        self._rates.clear()
        places = self._places
        addresses = places.addresses.considerable()
        tenants = places.tenants.considerable()
        counts = bool(addresses or tenants)
        if rates or counts or self._has_counts:
            used = Used(self._node, rates, addresses, tenants)
            await self._channel.publish(USAGE, [msgspec.msgpack.encode(used)])
        self._has_counts = counts

    def _hear(self, used: Used) -> None:
        if used.node == self._node:
            return
        now = self._clock.monotonic()
        for tier, caller, seconds in used.rates:
            self._limiter.use_elsewhere((tier, caller), seconds, now)
        self._others[used.node] = now, used
        self._add_up()

    def _add_up(self) -> None:
        since = self._clock.monotonic() - _FORGOTTEN_S
        self._others = {n: told for n, told in self._others.items() if told[0] > since}
        addresses, tenants = Counter[str](), Counter[str]()
        for _, used in self._others.values():
            addresses.update(used.addresses)
            tenants.update(used.tenants)
        self._places.addresses.elsewhere = addresses
        self._places.tenants.elsewhere = tenants

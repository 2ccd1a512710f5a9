"""How many connections an address and a tenant may hold, and how fast they come.

A place is taken when a WebSocket or server-sent events are asked for, and belongs to a
tenant as soon as that is known. What is refused changes nothing.
"""

from __future__ import annotations

import ipaddress
from collections import Counter

from ncs_protocol import Code, NcsError

from ..limiter import RateLimiter, Tier

__all__ = ["HANDSHAKES", "Counts", "Place", "Places", "network_of"]

HANDSHAKES = "handshake"
"""Name of the tier that handshakes are counted in."""
_IPV6_PREFIX = 64  # what one customer is given, at the least
_AGAIN_S = 5.0


class Place:
    """A connection's place; see `Places`."""

    __slots__ = ("_places", "network", "tenant")

    def __init__(self, places: Places, network: str) -> None:
        self._places = places
        self.network = network
        self.tenant: str | None = None

    def join(self, tenant: str) -> None:
        """Count it for its tenant.

        Raises:
            NcsError: ``too_many_connections``.
        """
        if self.tenant is None:
            self._places.tenants.add(tenant)
            self.tenant = tenant

    def leave(self) -> None:
        """Give the place back; once."""
        self._places.forget(self)


class Places:
    """Places of all connections. The clock is an argument.

    Args:
        limiter: counts the handshakes.
        per_address: most connections of an address; of an IPv6 network of 64 bits.
        per_tenant: most connections of a tenant.
        handshakes_per_minute: most handshakes of an address; all of them may come at
            once.

    Attributes:
        addresses: connections by address.
        tenants: connections by tenant.
    """

    def __init__(
        self,
        limiter: RateLimiter,
        *,
        per_address: int,
        per_tenant: int,
        handshakes_per_minute: int,
    ) -> None:
        self._limiter = limiter
        self.addresses = Counts("address", per_address)
        self.tenants = Counts("tenant", per_tenant)
        self._tier = Tier(HANDSHAKES, handshakes_per_minute, 60.0)

    def take(self, address: str, now: float) -> Place:
        """Return a place for a connection from `address`.

        Args:
            address: of the client.
            now: monotonic seconds.

        Raises:
            NcsError: ``rate_limited`` or ``too_many_connections``.
        """
        network = network_of(address)
        verdict = self._limiter.check(self._tier, network, now)
        if not verdict.allowed:
            raise NcsError(
                Code.RATE_LIMITED,
                f"Rate limit exceeded for {HANDSHAKES}",
                retry_after_s=verdict.retry_after_s,
            )
        self.addresses.add(network)
        return Place(self, network)

    def forget(self, place: Place) -> None:
        """See `Place.leave`."""
        self.addresses.subtract(place.network)
        if place.tenant is not None:
            self.tenants.subtract(place.tenant)


class Counts:
    """Connections by name, up to a limit.

    Args:
        what: the names are of.
        most: connections of one name.

    Attributes:
        elsewhere: connections at other nodes, as far as they are known.
    """

    def __init__(self, what: str, most: int) -> None:
        self.elsewhere: Counter[str] = Counter()
        self._here: Counter[str] = Counter()
        self._what = what
        self._most = most

    def add(self, name: str) -> None:
        """Count one more.

        Raises:
            NcsError: ``too_many_connections``.
        """
        count = self._here[name] + self.elsewhere[name]
        if count >= self._most:
            raise NcsError(
                Code.TOO_MANY_CONNECTIONS,
                f"this {self._what} has {count} connections, the limit is {self._most}",
                retry_after_s=_AGAIN_S,
            )
        self._here[name] += 1

    def subtract(self, name: str) -> None:
        """Count one less."""
        self._here[name] -= 1
        if self._here[name] <= 0:
            del self._here[name]

    def considerable(self) -> dict[str, int]:
        """Return the counts here that are a hundredth of the limit or more."""
        return {
            n: count for n, count in self._here.items() if 100 * count >= self._most
        }


def network_of(address: str) -> str:
    """Return what counts as one address: whoever has one in IPv6 has very many."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, _IPV6_PREFIX), strict=False))

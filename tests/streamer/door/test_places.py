from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from ncs_protocol import Code, NcsError
from ncs_streamer.door import Place, Places
from ncs_streamer.door.places import network_of
from ncs_streamer.limiter import RateLimiter

pytestmark = pytest.mark.unit


def places(
    per_address: int = 2, per_tenant: int = 2, handshakes_per_minute: int = 1000
) -> Places:
    """Return places with small limits."""
    return Places(
        RateLimiter(),
        per_address=per_address,
        per_tenant=per_tenant,
        handshakes_per_minute=handshakes_per_minute,
    )


def test_an_address_gets_as_many_places_as_it_may() -> None:
    door = places(per_address=2)
    first = door.take("192.0.2.1", 0.0)
    door.take("192.0.2.1", 0.0)
    with pytest.raises(NcsError, match="this address has 2 connections") as refused:
        door.take("192.0.2.1", 0.0)
    assert refused.value.code is Code.TOO_MANY_CONNECTIONS
    door.take("192.0.2.2", 0.0)
    first.leave()
    door.take("192.0.2.1", 0.0)


def test_a_tenant_gets_as_many_places_as_it_may_from_wherever_it_comes() -> None:
    door = places(per_tenant=2)
    taken = [door.take(f"192.0.2.{i}", 0.0) for i in range(4)]
    taken[0].join("acme")
    taken[1].join("acme")
    with pytest.raises(NcsError, match="this tenant has 2 connections"):
        taken[2].join("acme")
    taken[3].join("other")
    taken[1].leave()
    taken[2].join("acme")


def test_connections_at_other_nodes_count() -> None:
    door = places(per_address=2, per_tenant=2)
    door.addresses.elsewhere["192.0.2.1"] = 1
    door.tenants.elsewhere["acme"] = 1
    door.take("192.0.2.1", 0.0).join("acme")
    with pytest.raises(NcsError, match="this address has 2 connections"):
        door.take("192.0.2.1", 0.0)
    with pytest.raises(NcsError, match="this tenant has 2 connections"):
        door.take("192.0.2.2", 0.0).join("acme")


def test_a_hundredth_of_a_limit_is_worth_telling() -> None:
    door = places(per_address=200, per_tenant=2)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.2"):
        door.take(address, 0.0).join(address)
    assert door.addresses.considerable() == {"192.0.2.2": 2}
    assert door.tenants.considerable() == {"192.0.2.1": 1, "192.0.2.2": 2}


def test_to_join_again_counts_once() -> None:
    door = places(per_tenant=1)
    place = door.take("192.0.2.1", 0.0)
    place.join("acme")
    place.join("acme")
    place.leave()
    door.take("192.0.2.1", 0.0).join("acme")


def test_handshakes_come_no_faster_than_they_may() -> None:
    door = places(per_address=1000, handshakes_per_minute=60)
    for _ in range(60):
        door.take("192.0.2.1", 0.0)
    with pytest.raises(NcsError) as refused:
        door.take("192.0.2.1", 0.0)
    assert refused.value.code is Code.RATE_LIMITED
    assert refused.value.retry_after_s == pytest.approx(1.0)
    door.take("192.0.2.2", 0.0)
    door.take("192.0.2.1", 1.1)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_what_one_customer_is_given_counts_as_one_address(
    address: str, network: str
) -> None:
    assert network_of(address) == network


STEPS = st.lists(
    st.tuples(st.sampled_from(["take", "join", "leave"]), st.integers(0, 2)),
    max_size=60,
)


@examples(100)
@given(STEPS)
def test_whatever_comes_and_goes_nobody_holds_more_than_the_limit(
    steps: list[tuple[str, int]],
) -> None:
    door, held = places(3, 2), list[Place]()
    for what, number in steps:
        try:
            if what == "take":
                held.append(door.take(f"192.0.2.{number}", 0.0))
            elif held and what == "join":
                held[number % len(held)].join(f"tenant-{number}")
            elif held:
                held.pop(number % len(held)).leave()
        except NcsError:
            pass
        for network in {place.network for place in held}:
            assert sum(place.network == network for place in held) <= 3
        for tenant in {place.tenant for place in held} - {None}:
            assert sum(place.tenant == tenant for place in held) <= 2
    for place in held:
        place.leave()
    full = [door.take("192.0.2.1", 0.0) for _ in range(3)]
    for place in full[:2]:
        place.join("tenant-1")

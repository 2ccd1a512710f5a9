from __future__ import annotations

import pytest

from ncs_streamer.redis_address import Address, without_password

pytestmark = pytest.mark.unit

GOOD = {
    "redis://localhost": Address("single", (("localhost", 6379),)),
    "redis://10.0.0.1:7000/3": Address("single", (("10.0.0.1", 7000),), database=3),
    "rediss://u:p%40ss@host": Address(
        "single", (("host", 6379),), True, username="u", password="p@ss"
    ),
    "redis://:secret@host/": Address("single", (("host", 6379),), password="secret"),
    "redis://[::1]:7000": Address("single", (("::1", 7000),)),
    "redis+sentinel://a,b:1/main": Address(
        "sentinel", (("a", 26379), ("b", 1)), service="main"
    ),
    "rediss+sentinel://u:p@a/main/2": Address(
        "sentinel", (("a", 26379),), True, "u", "p", 2, "main"
    ),
    "redis+cluster://a:1,b:2": Address("cluster", (("a", 1), ("b", 2))),
}


@pytest.mark.parametrize(("text", "address"), GOOD.items(), ids=[*GOOD])
def test_an_address_is_read(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("postgres://host", "expected sqlite"),
        ("redis", "expected sqlite"),
        ("redis://", "expected sqlite"),
        ("redis://a,b", "one server has one host"),
        ("redis://host:port", "no host with a port"),
        ("redis://host:99999", "no host with a port"),
        ("redis://host/x", "no database"),
        ("redis+sentinel://host", "which service"),
        ("redis+cluster://host/1", "no database"),
    ],
)
def test_what_is_no_address_is_refused_with_a_reason(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Address.parse(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://u:secret@host:1/0", "redis://u:***@host:1/0"),
        ("redis://:secret@host", "redis://:***@host"),
        ("redis://host:1", "redis://host:1"),
        ("sqlite", "sqlite"),
        ("redis+nonsense://u:secret@a,b", "redis+nonsense://u:***@a,b"),
    ],
)
def test_a_password_is_not_shown(text: str, shown: str) -> None:
    assert without_password(text) == shown


def test_neither_a_repr_nor_a_refusal_shows_it() -> None:
    assert "secret" not in repr(Address.parse("redis://u:secret@host"))
    with pytest.raises(ValueError) as refused:
        Address.parse("redis://u:secret@host/x")
    assert "secret" not in str(refused.value)

import asyncio

import pytest

from ncs_streamer import precedence
from ncs_streamer.precedence import Precedence, Standing

pytestmark = pytest.mark.unit

MUCH = 1_000_000


def standings(*sizes: int) -> list[Standing]:
    whole = Precedence()
    made = [Standing(whole) for _ in sizes]
    for standing, size in zip(made, sizes, strict=True):
        standing.resize(size)
    return made


@pytest.mark.parametrize(
    ("own", "others", "gives_way"),
    [
        (MUCH, (1000,), True),
        (MUCH, (), False),
        (MUCH, (MUCH,), False),
        (MUCH, (MUCH // 2,), False),
        (MUCH, (MUCH, 1000), True),
        (MUCH, (0,), False),
        (60_000, (1,), False),
        (140_000, (1000,), True),
        (1000, (MUCH,), False),
        (0, (1000,), False),
    ],
)
def test_who_has_many_times_as_much_gives_way(
    own: int, others: tuple[int, ...], gives_way: bool
) -> None:
    assert standings(own, *others)[0].gives_way is gives_way


def test_it_is_over_with_the_last_that_has_little() -> None:
    flood, one, other = standings(MUCH, 1000, 5000)
    one.resize(0)
    assert flood.gives_way
    other.resize(0)
    assert not flood.gives_way


async def test_who_waits_is_called_once_when_it_is_over() -> None:
    flood, quiet = standings(MUCH, 1000)
    called: list[int] = []

    def ready() -> None:
        called.append(1)

    for _ in range(2):
        flood.call_when_over(ready)
    assert called == []
    quiet.resize(0)
    await asyncio.sleep(0)
    assert called == [1]


async def test_nobody_waits_longer_than_it_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precedence, "_MOST_S", 0.01)
    flood, _ = standings(MUCH, 1000)  # which is never done
    async with asyncio.timeout(10):
        await flood.clear()
        assert not flood.gives_way  # for as long as it was held
        while not flood.gives_way:
            await asyncio.sleep(0.001)
        await flood.clear()

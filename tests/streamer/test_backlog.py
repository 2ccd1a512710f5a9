import pytest

from ncs_streamer.backlog import Backlog

pytestmark = pytest.mark.unit

BATCH = 1024  # what one takes beside its points


def test_room_is_what_is_left_of_the_quota_and_of_the_whole() -> None:
    backlog = Backlog(100_000, 60_000)
    a, b = backlog.of("a"), backlog.of("b")
    a.take(50_000 - BATCH, 10)
    assert (a.room, b.room) == (10_000, 50_000)
    b.take(45_000 - BATCH, 10)
    assert (a.room, b.room) == (5_000, 5_000)
    assert (backlog.bytes, backlog.points) == (95_000, 20)


def test_a_quota_is_never_more_than_the_whole() -> None:
    assert Backlog(1000, 5000).of("a").room == 1000


def test_what_is_given_back_is_free_again() -> None:
    backlog = Backlog(100_000, 60_000)
    quota = backlog.of("a")
    taken = quota.take(10_000, 3)
    quota.give_back(taken, 3, 1.0)
    assert (quota.bytes, backlog.bytes, backlog.points) == (0, 0, 0)


def test_a_tenant_of_its_own_is_not_short_by_another() -> None:
    backlog = Backlog(100_000, 60_000)
    backlog.of("a").take(60_000, 1)
    assert backlog.of("a").room == 0
    assert backlog.of("a").shortage == "tenant_backlog"
    assert backlog.of("b").room > 0


def test_who_waits_is_called_once_a_quarter_is_free_again() -> None:
    backlog, calls = Backlog(100_000, 40_000), list[int]()
    quota = backlog.of("a")
    parts = [quota.take(8_000 - BATCH, 1) for _ in range(5)]
    quota.call_when_free(lambda: calls.append(1))
    quota.give_back(parts[0], 1, 1.0)
    assert calls == []
    quota.give_back(parts[1], 1, 1.0)
    quota.give_back(parts[2], 1, 1.0)
    assert calls == [1]


def test_a_shortage_of_the_whole_is_told_and_ends_for_all() -> None:
    backlog, calls = Backlog(100_000, 90_000), list[str]()
    a, b = backlog.of("a"), backlog.of("b")
    taken = a.take(89_000, 1)
    b.take(20_000, 1)
    assert b.shortage == "server_backlog"
    b.call_when_free(lambda: calls.append("b"))
    a.give_back(taken, 1, 1.0)
    assert calls == ["b"]


def test_who_waits_for_the_whole_is_called_with_the_busy_ones() -> None:
    backlog, calls = Backlog(100_000, 40_000), list[str]()
    busy = [backlog.of(name) for name in ("a", "b", "c")]
    parts = [(quota, quota.take(6_000, 1)) for quota in busy for _ in range(5)]
    quiet = backlog.of("quiet")
    assert quiet.room == 0
    for name, quota in zip("abcq", (*busy, quiet), strict=True):
        quota.call_when_free(lambda name=name: calls.append(name))  # type: ignore[misc]
    for quota, taken in parts[:3]:
        quota.give_back(taken, 1, 1.0)
    assert "q" in calls


def test_who_is_gone_is_not_called() -> None:
    backlog, calls = Backlog(100_000, 40_000), list[int]()
    quota, ready = backlog.of("a"), lambda: calls.append(1)
    taken = quota.take(50_000, 1)
    quota.call_when_free(ready)
    quota.forget(ready)
    quota.give_back(taken, 1, 1.0)
    assert calls == []


def test_the_wait_is_told_by_the_rate_of_late() -> None:
    backlog = Backlog(1e9, 40_000_000)
    quota = backlog.of("a")
    assert quota.retry_after_ms == 20
    for second in range(1, 4):
        quota.give_back(quota.take(5_000_000, 1), 1, float(second))
    assert quota.retry_after_ms == pytest.approx(2000, rel=0.01)

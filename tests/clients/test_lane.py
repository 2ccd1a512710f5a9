"""A lane without a socket: what it says to a server, and every row of its table."""

import errno
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from link import MemoryLink, MemoryServer
from properties import examples

from ncs_client.lane import HOLD_S, Lane, Pace
from ncs_client.payload import payload_of
from ncs_client.spool import Spool
from ncs_protocol import MSGPACK, Retry
from ncs_protocol.messages import (
    Ack,
    Error,
    Hello,
    Points,
    Resume,
    SlowDown,
    Welcome,
)

from .spools import abandon, opened

pytestmark = pytest.mark.unit


class Bench:
    """A lane on a spool, and a server made of lines in the test."""

    def __init__(
        self,
        folder: Path,
        *,
        pushed: int = 0,
        options: dict[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        self.folder = folder
        self.options = options or {}
        self.changes = changes
        self.now = 0.0
        self.clock_ns = 1000
        self.drops: list[Any] = []
        self.told: list[Any] = []
        self.acked: list[Any] = []
        self.restart()
        for n in range(pushed):
            self.push(float(n))

    def restart(self) -> None:
        """Be a new process."""
        self.close()
        self.spool: Spool = opened(self.folder, self.drops, **self.options)
        self.lane = Lane(
            self.spool,
            "p",
            "s",
            **{"window_bytes": 10_000, "pace": Pace(None), **self.changes},
            clock_ns=lambda: self.clock_ns,
            on_ready=lambda: None,
            on_ack=lambda *told: self.acked.append(told),
            on_refused=lambda *told: self.told.append(told),
            on_pause=lambda *told: self.told.append(told),
        )
        self.lane.token = "TOKEN"

    def close(self) -> None:
        """Be killed."""
        if hasattr(self, "spool"):
            spool = self.spool
            del self.spool
            abandon(spool)

    def push(self, value: float, dimension: int = 2) -> None:
        payload = payload_of([[value] * dimension], "s", None, None)
        self.spool.append(payload, 1.0)

    def hello(self) -> Hello:
        (hello,) = self.lane.connected()
        assert isinstance(hello, Hello)
        return hello

    def meet(self, epoch: int = 0, seq: int = 0, credit: int = 10_000) -> list[Points]:
        """Connect to a server with that mark; return what is sent."""
        self.hello()
        self.lane.receive(welcome(epoch, seq, credit))
        return self.sent()

    def sent(self) -> list[Points]:
        """Return what the lane sends now."""
        return [decoded(frame) for frame in self.lane.frames(self.now)]

    def ack(self, seq: int, credit: int = 10_000) -> None:
        self.lane.receive(ack(seq, credit))


def decoded(frame: bytes) -> Points:
    message = MSGPACK.decode_client(frame)
    assert isinstance(message, Points)
    return message


def welcome(epoch: int = 0, seq: int = 0, credit: int = 10_000, **limits: float) -> Any:
    return Welcome(
        session="x",
        server_time=0.0,
        versions={},
        limits=limits,
        durability="local",
        heartbeat_s=20.0,
        credit=credit,
        resume={"s": Resume(producer_epoch=epoch, last_seq=seq)},
    )


def ack(seq: int, credit: int = 10_000) -> Ack:
    return Ack(
        stream="s", seq=seq, offset=1, model_version=1, accepted=1, credit=credit
    )


def refusal(sent: Points, code: str, retry: Retry, **more: Any) -> Error:
    return Error(
        code=code, blame="client", retry=retry, detail="no", id=sent.id, seq=sent.seq,
        stream="s", **more,
    )  # fmt: skip


def values(sent: list[Points]) -> list[tuple[int, float]]:
    return [(m.seq, float(m.array[0, 0])) for m in sent if m.array is not None]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "s", pushed=4)


# The table


def test_a_fresh_spool_and_a_server_that_knows_nothing(bench: Bench) -> None:
    assert 7 == bench.hello().producer_epoch
    assert [(1, 0.0), (2, 1.0), (3, 2.0), (4, 3.0)] == values(bench.meet())


def test_the_usual_mark_between_acked_and_sent(bench: Bench) -> None:
    bench.meet()
    bench.ack(1)
    bench.restart()
    assert [(4, 3.0)] == values(bench.meet(7, 3))
    assert 1 == bench.spool.depth


def test_everything_had_arrived(bench: Bench) -> None:
    bench.meet()
    bench.restart()
    assert [] == bench.meet(7, 4)
    assert 0 == bench.spool.depth
    assert [(4, True)] == bench.acked


def test_nothing_of_this_epoch_had_arrived(bench: Bench) -> None:
    bench.meet()
    bench.restart()
    assert [1, 2, 3, 4] == [m.seq for m in bench.meet(6, 99)]
    assert 7 == bench.hello().producer_epoch


@pytest.mark.parametrize("mark", [(0, 0), (6, 99)], ids=["other", "older epoch"])
def test_a_server_that_lost_what_it_acknowledged(
    bench: Bench, mark: tuple[int, int]
) -> None:
    bench.meet()
    bench.ack(2)
    assert [] == bench.meet(*mark)
    assert bench.lane.must_reconnect
    assert 1000 == bench.hello().producer_epoch
    assert [(1, 2.0), (2, 3.0)] == values(bench.meet(*mark))
    assert [] == bench.drops


def test_a_server_that_went_back_to_a_backup(bench: Bench) -> None:
    bench.meet()
    bench.ack(3)
    assert [] == bench.meet(7, 1)
    assert bench.lane.must_reconnect
    assert [(1, 3.0)] == values(bench.meet(7, 1))
    assert 1000 == bench.hello().producer_epoch


def test_a_spool_that_lost_its_end(bench: Bench) -> None:
    bench.meet()
    bench.push(4.0)  # never sent, and in the way of what the server has as 5 and 6
    bench.restart()
    bench.push(5.0)
    assert [] == bench.meet(7, 7)
    assert bench.lane.must_reconnect
    assert 1000 == bench.hello().producer_epoch
    again = values(bench.meet(7, 7))
    assert [1, 2, 3][: len(again)] == [seq for seq, _ in again]
    assert 5.0 in [value for _, value in again]
    assert not {0.0, 1.0, 2.0, 3.0} & {value for _, value in again}


def test_damage_within_what_may_have_been_sent(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "s", pushed=12)
    bench.meet()
    damaged = sorted((tmp_path / "s").glob("*.seg"))[1]
    first = int(damaged.stem)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    bench.restart()
    assert [] == bench.meet(7, 1)
    assert bench.lane.must_reconnect
    again = values(bench.meet(7, 1))
    assert [*range(1, len(again) + 1)] == [seq for seq, _ in again]
    assert 1.0 == again[0][1], "what the server has not got, and is there"
    assert 12 == 1 + len(again) + sum(count for _, count in bench.drops)
    assert first > 1


def test_damage_that_the_server_has_already_does_not_matter(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "s", pushed=12)
    bench.meet()
    damaged = sorted((tmp_path / "s").glob("*.seg"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    bench.restart()
    assert 11 == bench.meet(7, 10)[0].seq
    assert 7 == bench.hello().producer_epoch


def test_an_old_copy_of_a_spool_drops_what_may_have_been_sent(bench: Bench) -> None:
    bench.meet()
    bench.restart()
    bench.push(4.0)
    assert [] == bench.meet(5000, 3)
    assert bench.lane.must_reconnect
    assert [("uncertain", 4)] == bench.drops
    assert 5001 == bench.hello().producer_epoch, "above the server's and the clock's"
    assert [(1, 4.0)] == values(bench.meet(5000, 3))


def test_a_fresh_spool_that_the_server_knows_of_loses_nothing(bench: Bench) -> None:
    assert [] == bench.meet(5000, 3)
    assert [1, 2, 3, 4] == [m.seq for m in bench.meet(5000, 3)]
    assert 5001 == bench.hello().producer_epoch
    assert [] == bench.drops


def test_a_new_epoch_is_on_disk_before_it_is_told(bench: Bench) -> None:
    bench.meet(5000, 3)
    bench.restart()
    assert 5001 == bench.hello().producer_epoch


def test_nothing_is_heard_on_a_connection_of_an_epoch_that_is_over(
    bench: Bench,
) -> None:
    bench.meet(5000, 3)
    bench.ack(4)
    assert 4 == bench.spool.depth
    assert [] == bench.sent()


# Answers


def test_an_ack_forgets_and_makes_room(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "s", pushed=4, window_bytes=180)
    assert [1, 2] == [m.seq for m in bench.meet()]
    assert [] == bench.sent()
    bench.ack(1)
    assert [3] == [m.seq for m in bench.sent()]
    assert [(1, False)] == bench.acked


def test_no_more_is_in_flight_than_a_session_forgives(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "s", pushed=100)
    assert 32 == len(bench.meet())


def test_a_credit_that_shrinks_is_obeyed(bench: Bench) -> None:
    assert [1, 2] == [m.seq for m in bench.meet(credit=180)]
    bench.ack(1, credit=0)
    assert [] == bench.sent()
    bench.ack(2, credit=0)
    assert [3] == [m.seq for m in bench.sent()], "one may always be in flight"


def test_a_server_without_credit_is_told_of(bench: Bench) -> None:
    assert [1] == [m.seq for m in bench.meet(credit=0)]
    bench.lane.receive(SlowDown(reason="tenant_backlog", retry_after_ms=1500))
    assert [("tenant_backlog", 1.5, "no credit is left")] == bench.told
    bench.ack(1)
    assert [2, 3, 4] == [m.seq for m in bench.sent()]


def test_a_bad_batch_is_dropped_and_the_next_takes_its_number(bench: Bench) -> None:
    sent = bench.meet()
    bench.lane.receive(refusal(sent[1], "dimension_mismatch", Retry.NEVER))
    bench.ack(1)
    again = bench.sent()
    assert [(2, 2.0), (3, 3.0)] == values(again)
    assert [("dimension_mismatch", "no")] == bench.told
    bench.lane.receive(
        refusal(sent[2], "seq_gap", Retry.REWIND, expected_seq=2)
    )  # the answer to the first transmission
    assert [] == bench.sent()


def test_that_a_batch_was_refused_is_on_disk_before_others_take_its_number(
    bench: Bench,
) -> None:
    sent = bench.meet()
    bench.lane.receive(refusal(sent[0], "out_of_range", Retry.NEVER))
    bench.restart()
    assert [(1, 1.0), (2, 2.0), (3, 3.0)] == values(bench.meet())


def test_after_a_refusal_one_at_a_time_until_an_ack(bench: Bench) -> None:
    sent = bench.meet()
    bench.lane.receive(refusal(sent[0], "out_of_range", Retry.NEVER))
    (only,) = bench.sent()
    bench.lane.receive(refusal(only, "out_of_range", Retry.NEVER))
    assert [(1, 2.0)] == values(bench.sent())
    bench.ack(1)
    assert [(2, 3.0)] == values(bench.sent())


def test_a_disk_that_does_not_take_a_refusal_changes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    sent = bench.meet()
    monkeypatch.setattr("ncs_client.spool.save", full)
    bench.lane.receive(refusal(sent[0], "out_of_range", Retry.NEVER))
    monkeypatch.undo()
    assert bench.lane.must_reconnect
    assert "disk_full" == bench.told[-1][0]
    assert [1, 2, 3, 4] == [m.seq for m in bench.meet()]


def test_a_gap_is_closed_from_the_number_that_is_expected(bench: Bench) -> None:
    sent = bench.meet()
    gap = refusal(sent[3], "seq_gap", Retry.REWIND, expected_seq=3)
    bench.lane.receive(gap)
    assert [(3, 2.0), (4, 3.0)] == values(bench.sent())


def test_a_gap_that_makes_no_sense_is_settled_by_a_new_connection(
    bench: Bench,
) -> None:
    sent = bench.meet(7, 0)
    bench.ack(2)
    gap = refusal(sent[3], "seq_gap", Retry.REWIND, expected_seq=1)
    bench.lane.receive(gap)
    assert bench.lane.must_reconnect


def test_an_overloaded_server_is_left_alone_until_it_is_time(bench: Bench) -> None:
    sent = bench.meet()
    bench.lane.receive(refusal(sent[1], "overloaded", Retry.LATER, retry_after=0.5))
    assert [("overloaded", 0.5, "no")] == bench.told
    assert [] == bench.sent()
    bench.lane.resume("s")
    assert [(2, 1.0), (3, 2.0), (4, 3.0)] == values(bench.sent())


@pytest.mark.parametrize("code", ["permission_denied", "too_many_producers", "newer"])
def test_what_is_not_the_batchs_fault_costs_no_batch(bench: Bench, code: str) -> None:
    sent = bench.meet()
    bench.lane.receive(refusal(sent[0], code, Retry.NEVER))
    assert [] == bench.sent()
    assert (code, HOLD_S, "no") == bench.told[-1]
    assert HOLD_S == bench.lane.retry_s
    assert 4 == bench.spool.depth


def test_a_stale_epoch_is_settled_by_a_new_connection(bench: Bench) -> None:
    sent = bench.meet()
    bench.lane.receive(refusal(sent[0], "stale_producer_epoch", Retry.NEVER))
    assert bench.lane.must_reconnect
    assert 4 == bench.spool.depth


def test_a_frame_above_the_servers_own_limit_is_not_sent(bench: Bench) -> None:
    bench.push(9.0, dimension=50)
    bench.push(5.0)
    bench.hello()
    bench.lane.receive(welcome(max_frame_bytes=200))
    assert [5, 5.0] == [*values(bench.sent())[-1]]
    assert "frame_too_large" == bench.told[0][0]


def test_a_pace_is_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "s", pushed=50, pace=Pace(1000.0))
    sent = len(bench.meet())
    for _ in range(200):
        bench.now += 0.01
        sent += len(bench.sent())
    size = len(payload_of([[0.0, 0.0]], "s", None, None)) + 8
    assert 1900 / size <= sent <= 2050 / size + 2


# Against the server's own session


class Wire:
    """A lane and a real session; the line and the process may break anywhere."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.bench = Bench(folder, **changes)
        self.server = MemoryServer()
        self.link: MemoryLink | None = None
        self.out: deque[bytes] = deque()
        self.given = 0
        self.bad = 0

    def push(self, dimension: int = 2) -> None:
        self.bench.push(float(self.given), dimension)
        self.given += dimension == 2
        self.bad += dimension != 2

    def connect(self) -> None:
        if self.link is not None:
            self.link.drop()
        self.link = self.server.connect(MSGPACK)
        self.out.clear()
        self.out.extend(MSGPACK.encode(m) for m in self.bench.lane.connected())  # type: ignore[arg-type]

    def step(self, *, client: bool, server: bool) -> None:
        """Move frames over the line, one way or the other."""
        if self.link is None or self.bench.lane.must_reconnect:
            self.connect()
        assert self.link is not None
        if client:
            self.out.extend(self.bench.lane.frames(0.0))
            if self.out:
                self.link.send_frame(self.out.popleft())
        if server and self.link.sent:
            message = MSGPACK.decode_server(self.link.sent.pop(0))
            self.bench.lane.receive(message)
            if self.link.closed is not None and not self.link.sent:
                self.link = None
            if self.bench.lane._paused:
                self.bench.lane.resume("s")

    def kill(self) -> None:
        self.bench.restart()
        self.link = None

    def settle(self) -> None:
        for _ in range(10_000):
            if not self.bench.spool.depth:
                return
            self.step(client=True, server=True)
        raise AssertionError("it does not settle")


STEPS = ("push", "bad", "client", "client", "server", "server", "cut", "kill")


@examples(200)
@given(st.lists(st.sampled_from(STEPS), max_size=80))
def test_whatever_line_and_process_do_every_good_batch_counts_once(
    steps: list[str],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        wire = Wire(Path(name) / "s")
        wire.push()
        for step in steps:
            match step:
                case "push":
                    wire.push()
                case "bad":
                    wire.push(dimension=3)
                case "cut":
                    wire.link = None
                case "kill":
                    wire.kill()
                case _:
                    wire.step(client=step == "client", server=step == "server")
        wire.settle()
        wire.bench.close()
    model = wire.server.stream("acme", "s").model
    assert wire.given == model.engine.points_learned
    assert wire.bad == sum(code == "dimension_mismatch" for code, *_ in wire.bench.told)
    assert [] == wire.bench.drops

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from link import MemoryLink, MemoryServer, principal
from properties import examples

from ncs_client.connection import Outgoing
from ncs_client.core import Batch, ClientCore, Reader, Wanted
from ncs_client.errors import RefusedError, ValidationError
from ncs_client.view import ClusterView
from ncs_protocol import MSGPACK
from ncs_protocol.messages import (
    Ack,
    ClientMessage,
    Credit,
    Error,
    Points,
    Resume,
    ServerMessage,
    SlowDown,
    Subscribe,
    Subscribed,
    Welcome,
)

pytestmark = pytest.mark.unit


def batch(points: list[list[float]], into: list[Any] | None = None) -> Batch:
    outcomes: list[Any] = [] if into is None else into
    return Batch(Points(seq=1, stream="s", points=points), outcomes.append)


def read(sent: Outgoing) -> ClientMessage:
    return MSGPACK.decode_client(sent) if isinstance(sent, bytes) else sent


def seqs(sent: Sequence[Outgoing]) -> list[int]:
    messages = map(read, sent)
    return [message.seq for message in messages if isinstance(message, Points)]


def welcome(last_seq: int = 0, epoch: int = 7, credit: int = 1_000_000) -> Welcome:
    return Welcome(
        session="x",
        server_time=0.0,
        versions={},
        limits={},
        durability="local",
        heartbeat_s=20.0,
        credit=credit,
        resume={"s": Resume(producer_epoch=epoch, last_seq=last_seq)},
    )


def refusal(
    frame: Outgoing, code: str, retry: str = "never", expected: int | None = None
) -> Error:
    sent = read(frame)
    assert isinstance(sent, Points)
    return Error(
        code=code,
        blame="client",
        retry=retry,
        detail="no",
        id=sent.id,
        seq=sent.seq,
        stream="s",
        expected_seq=expected,
    )


def gap(sent: Outgoing, expected: int) -> Error:
    return refusal(sent, "seq_gap", "rewind", expected)


def ack(seq: int, credit: int = 1_000_000, stream: str = "s") -> Ack:
    return Ack(
        stream=stream, seq=seq, offset=1, model_version=1, accepted=1, credit=credit
    )


@pytest.fixture
def core() -> ClientCore:
    core = ClientCore("TOKEN", "p", 7, ["s"])
    core.connected()
    core.receive(welcome())
    return core


def test_batches_are_numbered_from_one(core: ClientCore) -> None:
    sent = [*core.add(batch([[1.0]])), *core.add(batch([[2.0]]))]
    assert [1, 2] == seqs(sent)


def test_an_ack_settles_all_batches_up_to_its_seq(core: ClientCore) -> None:
    outcomes: list[Any] = []
    for value in range(3):
        core.add(batch([[float(value)]], outcomes))
    core.receive(ack(2))
    assert 2 == len(outcomes)
    assert 1 == core.unacknowledged


def test_nothing_is_sent_before_the_welcome() -> None:
    core = ClientCore("TOKEN", "p", 7, ["s"])
    core.connected()
    assert not core.add(batch([[1.0]]))
    assert [1] == seqs(core.receive(welcome()))


def test_after_a_reconnect_only_what_did_not_arrive_is_sent_again(
    core: ClientCore,
) -> None:
    outcomes: list[Any] = []
    for value in range(3):
        core.add(batch([[float(value)]], outcomes))
    core.connected()
    assert [3] == seqs(core.receive(welcome(last_seq=2)))
    assert [True, True] == [outcome.duplicate for outcome in outcomes]


def test_a_server_that_forgot_the_producer_gets_batches_from_one_again(
    core: ClientCore,
) -> None:
    core.add(batch([[1.0]]))
    core.receive(ack(1))
    core.add(batch([[2.0]]))
    core.connected()
    assert [1] == seqs(core.receive(welcome(last_seq=0, epoch=0)))
    assert [2] == seqs(core.add(batch([[3.0]])))


def test_a_gap_rewinds_once_and_answers_to_old_transmissions_are_ignored(
    core: ClientCore,
) -> None:
    sent = [core.add(batch([[float(value)]]))[0] for value in range(4)]
    core.receive(ack(1))
    again = core.receive(gap(sent[1], 2))
    assert [2, 3, 4] == seqs(again)
    assert [] == core.receive(gap(sent[2], 2))
    assert [] == core.receive(gap(sent[3], 2))
    assert [2, 3, 4] == seqs(core.receive(gap(again[0], 2)))


def test_a_bad_batch_fails_and_the_later_ones_take_its_place(core: ClientCore) -> None:
    outcomes: list[Any] = []
    sent = [core.add(batch([[float(value)]], outcomes))[0] for value in range(3)]
    assert [1, 2] == seqs(core.receive(refusal(sent[0], "ragged_points")))
    assert [ValidationError] == [type(outcome) for outcome in outcomes]
    assert [] == core.receive(refusal(sent[1], "ragged_points"))
    assert [] == core.receive(gap(sent[2], 1))
    assert [3] == seqs(core.add(batch([[9.0]])))


def test_a_batch_refused_for_now_waits_until_it_is_resumed(core: ClientCore) -> None:
    sent = [core.add(batch([[float(value)]]))[0] for value in range(2)]
    assert [] == core.receive(refusal(sent[0], "store_unavailable", "later"))
    assert [] == core.receive(gap(sent[1], 1))
    assert [] == core.add(batch([[3.0]]))
    assert [1, 2, 3] == seqs(core.resume("s"))


def test_a_batch_refused_by_a_server_that_stops_goes_to_the_next_connection(
    core: ClientCore,
) -> None:
    outcomes: list[Any] = []
    (sent,) = core.add(batch([[1.0]], outcomes))
    assert [] == core.receive(refusal(sent, "draining", "reconnect"))
    core.connected()
    assert [1] == seqs(core.receive(welcome()))
    assert [] == outcomes


def point(value: float, stream: str = "s") -> Batch:
    return Batch(Points(seq=1, stream=stream, points=[[value]]), lambda _: None)


SIZE = len(MSGPACK.encode(Points(seq=1, stream="s", id="t1", points=[[1.0]])))


def test_no_more_bytes_are_in_flight_than_there_is_credit_for(core: ClientCore) -> None:
    core.connected()
    assert [] == seqs(core.receive(welcome(credit=2 * SIZE)))
    assert [[1], [2], [], []] == [seqs(core.add(point(1.0))) for _ in range(4)]
    assert [3] == seqs(core.receive(ack(1, credit=SIZE)))
    assert [] == seqs(core.receive(ack(2, credit=0))), "no more than what is in flight"
    assert [4] == seqs(core.receive(ack(3, credit=0))), "one may always be in flight"


def test_credit_is_never_taken_for_more_than_was_ever_offered(core: ClientCore) -> None:
    core.connected()
    core.receive(welcome(credit=2 * SIZE))
    for _ in range(5):
        core.add(point(1.0))
    assert [3] == seqs(core.receive(ack(1, credit=2 * SIZE)))


def test_after_slow_down_nothing_is_sent_until_an_ack(core: ClientCore) -> None:
    assert [1] == seqs(core.add(point(1.0)))
    core.receive(SlowDown(reason="tenant_backlog", retry_after_ms=20))
    assert [] == core.add(point(2.0))
    assert [] == core.add(point(3.0))
    assert [2, 3] == seqs(core.receive(ack(1)))


def test_slow_down_with_nothing_in_flight_does_not_wait_for_ever(
    core: ClientCore,
) -> None:
    core.receive(SlowDown(reason="server_backlog", retry_after_ms=20))
    assert [1] == seqs(core.add(point(1.0)))
    assert [] == core.add(point(2.0))


def test_streams_take_turns_where_credit_is_short(core: ClientCore) -> None:
    core.connected()
    core.receive(welcome(credit=SIZE))
    for stream in ("s", "s", "s", "t", "t"):
        core.add(point(1.0, stream))
    sent: list[str] = ["s"]
    seq = dict.fromkeys("st", 0)
    while core.unacknowledged:
        stream = sent[-1]
        seq[stream] += 1
        more = core.receive(ack(seq[stream], credit=SIZE, stream=stream))
        sent += [m.stream for m in map(read, more) if isinstance(m, Points)]
    assert ["s", "s", "t", "s", "t"] == sent


def test_what_was_in_flight_on_another_connection_takes_no_credit(
    core: ClientCore,
) -> None:
    core.connected()
    core.receive(welcome(credit=SIZE))
    core.add(point(1.0))
    core.connected()
    assert [1] == seqs(core.receive(welcome(credit=SIZE)))


def test_a_refused_batch_gives_its_credit_back(core: ClientCore) -> None:
    core.connected()
    core.receive(welcome(credit=SIZE))
    (sent,) = core.add(point(1.0))
    assert [] == core.add(point(2.0))
    assert [1] == seqs(core.receive(refusal(sent, "not_finite")))


def test_credit_for_events_comes_before_subscriptions_and_as_they_are_read() -> None:
    core = ClientCore("TOKEN", "p", 7, event_credit=1000)
    core.subscribe(Reader("", "s", Wanted(), lambda _: None, lambda _: None))
    core.connected()
    first, second = core.receive(welcome())
    assert Credit(bytes=1000) == first
    assert isinstance(second, Subscribe)
    assert [] == core.read(499)
    assert [Credit(bytes=500)] == core.read(1)
    assert [] == core.read(499)


def test_a_subscription_resumes_where_it_was(core: ClientCore) -> None:
    reader = Reader("", "s", Wanted(), lambda _: None, lambda _: None)
    core.subscribe(reader)
    offsets: Any = {"lossless": 4, "keyed": 2, "latest": 0}
    core.receive(
        Subscribed(id="s1", stream="s", epoch="e", offsets=offsets, recovered=True)
    )
    core.connected()
    again = [m for m in core.receive(welcome()) if isinstance(m, Subscribe)]
    assert again[0].since is not None
    assert ("e", offsets) == (again[0].since.epoch, again[0].since.offsets)


def test_a_refused_subscription_fails_its_reader(core: ClientCore) -> None:
    failures: list[RefusedError] = []
    core.subscribe(Reader("", "s", Wanted(), lambda _: None, failures.append))
    core.receive(
        Error(
            code="permission_denied", blame="client", retry="never", detail="", id="s1"
        )
    )
    assert ["permission_denied"] == [failure.code for failure in failures]


class Wire:
    """A core and a memory server with a faulty line between them."""

    def __init__(self) -> None:
        self.server = MemoryServer({"TOKEN": principal()})
        self.core = ClientCore("TOKEN", "p", 7, ["s"])
        self.outcomes: list[Ack | RefusedError] = []
        self.view = ClusterView()
        self.reader = Reader("", "s", Wanted(), self.view.apply, self._no_failure)
        self.link: MemoryLink
        self.to_server: list[Outgoing] = []
        self.to_client: list[ServerMessage] = []
        self.reconnect()
        self.to_server += self.core.subscribe(self.reader)

    @staticmethod
    def _no_failure(error: RefusedError) -> None:
        raise error

    def reconnect(self) -> None:
        self.to_server.clear()
        self.to_client.clear()
        self.link = self.server.connect(MSGPACK)
        self.to_server += self.core.connected()

    def cut(self) -> None:
        self.link.drop()
        self.reconnect()

    def add(self, points: list[list[float]]) -> None:
        message = Points(seq=1, stream="s", points=points)
        self.to_server += self.core.add(Batch(message, self.outcomes.append))

    def server_step(self) -> None:
        if self.to_server:
            self.to_client += self.link.send(read(self.to_server.pop(0)))

    def server_takes_all(self) -> None:
        frames = [MSGPACK.encode(read(sent)) for sent in self.to_server]
        self.to_server.clear()
        self.link.send_frames(frames)
        self.to_client += self.link.take()

    def client_step(self) -> None:
        if self.to_client:
            self.to_server += self.core.receive(self.to_client.pop(0))

    def settle(self) -> None:
        while self.to_server or self.to_client:
            self.server_step()
            self.client_step()


STEPS: dict[str, Callable[[Wire], None]] = {
    "server": Wire.server_step,
    "server takes all": Wire.server_takes_all,
    "client": Wire.client_step,
    "cut": Wire.cut,
    "good": lambda wire: wire.add([[1.0, 2.0], [8.0, 9.0]]),
    "ragged": lambda wire: wire.add([[1.0, 2.0], [3.0]]),
    "wrong dimension": lambda wire: wire.add([[1.0, 2.0, 3.0]]),
}


COPYING = ["server", "server takes all", "client", "cut", "good"]


@examples(150)
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=60))
def test_whatever_the_line_does_every_batch_is_settled_and_counts_once(
    steps: list[str],
) -> None:
    wire = Wire()
    wire.add([[1.0, 2.0]])
    for step in steps:
        STEPS[step](wire)
    wire.settle()
    wire.cut()
    wire.settle()
    good = 1 + steps.count("good")
    bad = steps.count("ragged") + steps.count("wrong dimension")
    accepted = [o for o in wire.outcomes if isinstance(o, Ack)]
    assert good + bad == len(wire.outcomes)
    assert good == len(accepted)
    model = wire.server.stream("acme", "s").model
    assert 1 + 2 * steps.count("good") == model.engine.points_learned
    assert 0 == wire.core.unacknowledged


@examples(100)
@given(st.lists(st.sampled_from(COPYING), max_size=60))
def test_whatever_the_line_does_the_copy_equals_the_model(steps: list[str]) -> None:
    wire = Wire()
    for step in steps:
        STEPS[step](wire)
    wire.add([[5.0, 5.0]])
    wire.settle()
    stream = wire.server.stream("acme", "s")
    assert 0 == wire.reader.gaps
    infos = {c.cluster_id: c for c in stream.model.view().clusters}
    assert infos.keys() == wire.view.clusters.keys()
    for cluster, info in infos.items():
        assert info.size == wire.view.clusters[cluster].size
        assert info.centroid == wire.view.clusters[cluster].centroid


def test_a_clock_that_was_set_back_begins_after_the_servers_epoch() -> None:
    core = ClientCore("TOKEN", "p", 7, ["s"])
    core.connected()
    core.add(batch([[1.0]]))
    assert core.receive(welcome(last_seq=5, epoch=9)) == []
    assert core.must_reconnect and core.welcome is None
    [hello] = core.connected()
    assert (hello.producer_epoch, core.must_reconnect) == (10, False)
    assert seqs(core.receive(welcome(last_seq=5, epoch=9))) == [1]


def test_of_a_stream_that_hello_did_not_name_a_refusal_tells_it() -> None:
    core = ClientCore("TOKEN", "p", 7, [])
    core.connected()
    core.receive(welcome(epoch=0))
    outcomes: list[Any] = []
    sent = [*core.add(batch([[1.0]], outcomes)), *core.add(batch([[2.0]], outcomes))]
    for frame in sent:
        core.receive(refusal(frame, "stale_producer_epoch"))
    assert core.must_reconnect and outcomes == []
    [hello] = core.connected()
    assert (hello.producer_epoch, hello.streams) == (7, ["s"])
    core.receive(welcome(epoch=9))
    [hello] = core.connected()
    assert hello.producer_epoch == 10
    assert seqs(core.receive(welcome(epoch=9))) == [1, 2]


def test_what_may_be_in_a_model_keeps_its_epoch(core: ClientCore) -> None:
    """Under another one it might count twice."""
    core.add(batch([[1.0]]))  # on its way when the line breaks
    core.connected()
    sent = core.receive(welcome(epoch=9))
    assert (seqs(sent), core.must_reconnect) == ([1], False)
    outcomes: list[Any] = []
    core.receive(ack(1))
    sent = core.add(batch([[2.0]], outcomes))
    core.receive(refusal(sent[0], "stale_producer_epoch"))
    assert isinstance(outcomes[0], RefusedError)
    assert not core.must_reconnect

"""What only a session knows, as transcripts; whole conversations are in
tests/conversations."""

from __future__ import annotations

import pytest

from ncs_protocol import Code, Limits, NcsError
from ncs_protocol.messages import Auth, Error, Hello, Ping, Points, SlowDown
from ncs_streamer.auth import Principal
from ncs_streamer.backlog import Backlog
from ncs_streamer.effects import Authenticate, Close, Effect, Greet, Send, Submit
from ncs_streamer.session import Session, SessionConfig, State

pytestmark = pytest.mark.unit

CONFIG = SessionConfig(
    limits=Limits(),
    durability="local",
    versions={},
    credit_bytes=10_000,
    heartbeat_s=20.0,
    hello_timeout_s=5.0,
    report_interval_s=5.0,
    max_subscriptions=64,
    strict_input=False,
)
ANN = Principal("acme", "ann", frozenset(("read", "write")), "token", "")
EVE = Principal("other", "eve", frozenset(("read", "write")), "token", "")
HELLO = Hello(token="t")


def said(effects: list[Effect]) -> list[str]:
    """Return the effects by name, errors and closes by their code."""
    return [
        effect.message.code
        if isinstance(effect, Send) and isinstance(effect.message, Error)
        else f"close {effect.code.wire}"
        if isinstance(effect, Close)
        else type(effect).__name__
        for effect in effects
    ]


def greeted() -> Session:
    session = Session("s", CONFIG, None, 100.0)
    assert said(session.receive(HELLO, 50, 100.0)) == ["Authenticate"]
    assert said(session.authenticated(HELLO, ANN)) == ["Greet"]
    return session


def test_a_hello_is_greeted_once_its_credential_is_known_to_be_good() -> None:
    session = Session("s", CONFIG, None, 100.0)
    assert session.receive(HELLO, 50, 100.0) == [Authenticate("t", HELLO)]
    assert session.state is State.NEW
    assert session.authenticated(HELLO, ANN) == [Greet(None, ("default",))]
    assert session.state is State.OPEN


@pytest.mark.parametrize("good", [True, False])
def test_a_session_that_ended_while_its_credential_was_checked_stays_ended(
    good: bool,
) -> None:
    session = Session("s", CONFIG, None, 100.0)
    session.receive(HELLO, 50, 100.0)
    assert said(session.tick(105.0)) == ["hello_timeout", "close hello_timeout"]
    refusal = NcsError(Code.TOKEN_INVALID)
    late = (
        session.authenticated(HELLO, ANN) if good else session.refused(HELLO, refusal)
    )
    assert late == []
    assert session.state is State.CLOSED


def submitted(session: Session, seq: int) -> Submit:
    message = Points(seq=seq, points=[[1.0]])
    (submit,) = session.receive(message, 20, 100.0)
    assert isinstance(submit, Submit)
    return submit


def test_the_server_s_trouble_with_many_batches_ends_no_session() -> None:
    session = greeted()
    batches = [submitted(session, seq) for seq in range(1, 101)]
    for batch in batches:
        trouble = NcsError(Code.STORE_UNAVAILABLE, retry_after_s=1.0)
        assert said(session.failed(batch.ticket, trouble)) == ["store_unavailable"]
    assert (session.state, session.in_flight_bytes) == (State.OPEN, 0)


def test_too_many_bad_frames_in_a_row_end_the_session() -> None:
    session = greeted()
    bad = [session.receive_error(NcsError(Code.MALFORMED_FRAME)) for _ in range(33)]
    assert [said(effects) for effects in bad[:32]] == [["malformed_frame"]] * 32
    assert said(bad[32])[-1] == "close too_many_errors"


def test_a_good_frame_between_bad_ones_starts_the_count_anew() -> None:
    session = greeted()
    for _ in range(5):
        for _ in range(32):
            session.receive_error(NcsError(Code.MALFORMED_FRAME))
        assert said(session.receive(Ping(id="p"), 10, 100.0)) == ["Send"]
    assert session.state is State.OPEN


def test_a_credential_of_another_tenant_changes_nothing() -> None:
    session = greeted()
    auth = Auth(id="a", token="u")
    assert said(session.receive(auth, 20, 100.0)) == ["Authenticate"]
    assert said(session.authenticated(auth, EVE)) == ["permission_denied"]
    assert session.principal == ANN


def test_credit_is_what_is_left_of_the_session_and_of_its_tenant() -> None:
    session = greeted()
    assert session.credit == 10_000
    backlog = Backlog(1e6, 20_000)
    session.quota = backlog.of("acme")
    assert session.credit == 10_000
    session.quota.take(15_000, 1)
    assert 0 < session.credit < 5_000


def test_why_the_socket_is_not_read_is_told_once_a_second() -> None:
    session = greeted()
    session.quota = Backlog(1e6, 20_000).of("acme")
    session.quota.take(20_000, 1)
    assert session.credit == 0
    told = session.short(50.0)
    assert told == [Send(SlowDown(reason="tenant_backlog", retry_after_ms=20))]
    assert session.short(50.9) == []
    assert session.short(51.1) == told


def test_a_session_that_has_used_its_own_credit_is_told_so() -> None:
    session = greeted()
    session.quota = Backlog(1e6, 1e6).of("acme")
    point = Points(seq=1, points=[[1.0]])
    assert said(session.receive(point, 10_000, 100.0)) == ["Submit"]
    assert session.credit == 0
    assert session.short(50.0) == [
        Send(SlowDown(reason="session_credit", retry_after_ms=20))
    ]

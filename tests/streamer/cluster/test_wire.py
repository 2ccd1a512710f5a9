"""What nodes say to each other, and who may say it."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from ncs_protocol import Code, NcsError
from ncs_protocol.messages import Sample
from ncs_streamer.auth import Principal
from ncs_streamer.cluster.assertion import assert_principal, principal_in
from ncs_streamer.cluster.socket import answer_handshake, begin_handshake
from ncs_streamer.cluster.wire import (
    Applied,
    Challenge,
    Claim,
    LinkError,
    Listen,
    Submit,
    agreed,
    decode,
    encode,
    prove,
    refusal,
)
from ncs_streamer.elsewhere import ElsewhereError

pytestmark = pytest.mark.unit

SECRET = b"s" * 32


async def let_in(server_secret: bytes, client_secret: bytes, dialled: str) -> str:
    """Have node b dial node a; return who a says has dialled."""
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handle(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        try:
            outcome.set_result(await answer_handshake(ws, "a", server_secret))
        except LinkError as error:
            outcome.set_exception(error)
        await ws.close()
        return ws

    app = web.Application()
    app.router.add_get("/peer", handle)
    async with TestServer(app) as server, ClientSession() as session:
        async with session.ws_connect(server.make_url("/peer")) as ws:
            try:
                await begin_handshake(ws, "b", dialled, client_secret)
            finally:
                await ws.close()
                await asyncio.wait([outcome])
                outcome.exception()
        return outcome.result()


async def test_a_node_with_the_secret_is_let_in_by_its_name() -> None:
    assert await let_in(SECRET, SECRET, "a") == "b"


@pytest.mark.security
async def test_a_node_with_another_secret_is_not() -> None:
    with pytest.raises(LinkError, match="secret"):
        await let_in(SECRET, b"t" * 32, "a")


@pytest.mark.security
async def test_a_node_that_answers_in_the_place_of_another_is_left() -> None:
    with pytest.raises(LinkError, match="'a' answers where 'c' should"):
        await let_in(SECRET, SECRET, "c")


@pytest.mark.security
def test_a_proof_is_of_one_role_and_one_handshake() -> None:
    challenge, claim = Challenge("a", b"1" * 16), Claim("b", b"2" * 16, b"")
    proof = prove(SECRET, "claim", challenge, claim)
    assert proof != prove(SECRET, "accepted", challenge, claim)
    assert proof != prove(SECRET, "claim", Challenge("a", b"3" * 16), claim)
    assert proof != prove(SECRET, "claim", challenge, Claim("c", b"2" * 16, b""))


def test_the_version_before_is_spoken_with_the_version_before() -> None:
    assert agreed(1) == 1
    assert agreed(2, their_oldest=1) == 1
    with pytest.raises(LinkError, match="version"):
        agreed(3, their_oldest=2)


def test_messages_of_the_next_version_are_understood_where_they_say_the_same() -> None:
    more = msgspec.msgpack.encode([["d", 7, 1, 2, False, None, "new", 3]])
    assert decode(more) == [Applied(7, 1, 2)]


def test_messages_of_the_version_before_are_too() -> None:
    assert decode(msgspec.msgpack.encode([["d", 7, 1, 2]])) == [Applied(7, 1, 2)]


def test_messages_come_through_as_they_were() -> None:
    messages = [
        Submit(1, "t", "s", 2, 3, "full", b"entry"),
        Listen("t", "s", 4, [Sample(max_points=10)]),
        refusal(5, NcsError(Code.SEQ_GAP, "x", expected_seq=9)),
    ]
    assert decode(encode(messages)) == messages


def test_a_refusal_is_the_same_error_on_the_other_side() -> None:
    error = refusal(5, NcsError(Code.SEQ_GAP, "gap", expected_seq=9)).error()
    assert (error.code, error.detail, error.expected_seq) == (Code.SEQ_GAP, "gap", 9)
    assert not isinstance(error, ElsewhereError)


def test_that_a_stream_is_elsewhere_is_told_as_such() -> None:
    error = refusal(5, ElsewhereError("c")).error()
    assert isinstance(error, ElsewhereError)
    assert error.node == "c"


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_an_error(frame: bytes) -> None:
    with contextlib.suppress(LinkError):
        decode(frame)


PRINCIPAL = Principal("acme", "ann", frozenset(("read",)), "token", "ann", 99.0)


def test_a_principal_comes_through_as_it_was() -> None:
    header = assert_principal(SECRET, "a", PRINCIPAL, b"GET /x\n", 10.0)
    assert principal_in(SECRET, header, b"GET /x\n", 12.0) == PRINCIPAL


@pytest.mark.security
@pytest.mark.parametrize(
    ("secret", "asked", "now"),
    [
        pytest.param(b"t" * 32, b"GET /x\n", 12.0, id="another secret"),
        pytest.param(SECRET, b"GET /y\n", 12.0, id="another request"),
        pytest.param(SECRET, b"GET /x\n", 99.0, id="too late"),
    ],
)
def test_a_principal_is_not_taken_from(secret: bytes, asked: bytes, now: float) -> None:
    header = assert_principal(SECRET, "a", PRINCIPAL, b"GET /x\n", 10.0)
    with pytest.raises(NcsError) as refused:
        principal_in(secret, header, asked, now)
    assert refused.value.code is Code.TOKEN_INVALID


@pytest.mark.security
@given(st.text(max_size=200))
def test_no_made_up_header_is_a_principal(header: str) -> None:
    with pytest.raises(NcsError):
        principal_in(SECRET, header, b"", 0.0)

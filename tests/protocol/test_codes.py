from __future__ import annotations

import re
from collections import Counter
from http import HTTPStatus

import pytest

from ncs_protocol import Blame, Code, Retry

pytestmark = pytest.mark.unit

CLOSING = [code for code in Code if code.close_code is not None]
each_closing = pytest.mark.parametrize("code", CLOSING)

MESSAGE_TOO_BIG = 1009  # RFC 6455, section 7.4.1


def test_no_two_codes_are_the_same_row() -> None:
    # An enum makes of equal rows one member with two names.
    assert [*Code.__members__] == [code.name for code in Code]


def test_the_names_on_the_wire_are_unique() -> None:
    assert max(Counter(code.wire for code in Code).values()) == 1


def test_a_name_on_the_wire_is_in_lower_case() -> None:
    for code in Code:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code.wire)


def test_the_close_codes_are_unique() -> None:
    assert max(Counter(code.close_code for code in CLOSING).values()) == 1


@each_closing
def test_a_close_code_says_what_to_do_next(code: Code) -> None:
    assert code.close_code is not None
    if code.close_code == MESSAGE_TOO_BIG:
        assert code.retry is Retry.NEVER
    elif code.retry is Retry.RECONNECT:
        assert 4000 <= code.close_code <= 4499
    else:
        assert code.retry is Retry.NEVER
        assert 4500 <= code.close_code <= 4999


def test_a_code_that_wants_a_new_connection_closes_the_old_one() -> None:
    for code in Code:
        assert code.retry is not Retry.RECONNECT or code in CLOSING


def test_an_http_status_is_a_real_one_and_an_error() -> None:
    for code in Code:
        assert 400 <= HTTPStatus(code.http_status) <= 599, code


def test_the_blame_fits_the_http_status() -> None:
    for code in Code:
        if code.blame is not Blame.NOBODY:
            by_server = code.blame is Blame.SERVER
            assert (code.http_status >= 500) == by_server, code


def test_a_code_has_one_sentence() -> None:
    for code in Code:
        assert re.fullmatch(r"[A-Z][^.]*\.", code.meaning), code


def test_no_two_codes_mean_the_same() -> None:
    assert max(Counter(code.meaning for code in Code).values()) == 1


def test_only_a_gap_makes_a_client_rewind() -> None:
    assert [code for code in Code if code.retry is Retry.REWIND] == [Code.SEQ_GAP]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.MALFORMED_FRAME, 400),
        (Code.CREDENTIALS_MISSING, 401),
        (Code.TOKEN_INVALID, 401),
        (Code.TOKEN_EXPIRED, 401),
        (Code.KEY_INVALID, 401),
        (Code.LOGIN_FAILED, 401),
        (Code.PERMISSION_DENIED, 403),
        (Code.FRAME_TOO_LARGE, 413),
        (Code.UNSUPPORTED_MEDIA_TYPE, 415),
        (Code.OUT_OF_RANGE, 422),
        (Code.RAGGED_POINTS, 422),
        (Code.RATE_LIMITED, 429),
        (Code.STORE_UNAVAILABLE, 503),
    ],
)
def test_a_documented_status_holds(code: Code, status: int) -> None:
    assert code.http_status == status

"""The opening handshake: what is accepted, what is agreed on, and what is refused."""

from __future__ import annotations

import pytest

from ncs_protocol import NcsError
from ncs_streamer.opening import open_websocket

pytestmark = pytest.mark.unit

GOOD = {
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def lines(response: bytes) -> list[str]:
    """Return the lines of a response that is a head and nothing else."""
    text = response.decode()
    assert text.endswith("\r\n\r\n")
    return text.removesuffix("\r\n\r\n").split("\r\n")


def test_the_example_of_the_standard_is_answered_as_it_says() -> None:
    opening = open_websocket(GOOD, None, deflates=True)
    assert lines(opening.response) == [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    ]
    assert opening.window_bits == 0


def test_the_subprotocol_is_answered() -> None:
    opening = open_websocket(GOOD, "ncs.v1+json", deflates=False)
    assert "Sec-WebSocket-Protocol: ncs.v1+json" in lines(opening.response)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Upgrade", "h2c"),
        ("Connection", "keep-alive"),
        ("Sec-WebSocket-Version", "8"),
        ("Sec-WebSocket-Version", ""),
        ("Sec-WebSocket-Key", ""),
        ("Sec-WebSocket-Key", "AAAA"),
        ("Sec-WebSocket-Key", "not base64, at all!!!!!="),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==\r\nX: y"),
        ("Sec-WebSocket-Key", "schlüssel"),
    ],
)
def test_what_is_no_handshake_is_refused(name: str, value: str) -> None:
    with pytest.raises(NcsError) as refused:
        open_websocket(GOOD | {name: value}, None, deflates=False)
    assert refused.value.code.wire == "malformed_frame"
    with pytest.raises(NcsError):
        open_websocket(
            {k: v for k, v in GOOD.items() if k != name}, None, deflates=False
        )


ALONE = "client_no_context_takeover; server_no_context_takeover"


@pytest.mark.parametrize(
    ("offers", "agreed", "bits"),
    [
        ("permessage-deflate", ALONE, 15),
        ("permessage-deflate; client_max_window_bits", ALONE, 15),
        ("permessage-deflate;client_max_window_bits=9", ALONE, 15),
        (f"permessage-deflate; {ALONE}", ALONE, 15),
        (
            "permessage-deflate; server_max_window_bits=10",
            f"{ALONE}; server_max_window_bits=10",
            10,
        ),
        (
            'permessage-deflate; server_max_window_bits="12"',
            f"{ALONE}; server_max_window_bits=12",
            12,
        ),
        ("x-webkit-deflate-frame, permessage-deflate", ALONE, 15),
        # The first cannot be met, the second can.
        (
            "permessage-deflate; server_max_window_bits=8, permessage-deflate",
            ALONE,
            15,
        ),
    ],
)
def test_compression_is_agreed_on_without_anything_to_remember(
    offers: str, agreed: str, bits: int
) -> None:
    headers = GOOD | {"Sec-WebSocket-Extensions": offers}
    opening = open_websocket(headers, None, deflates=True)
    wanted = f"Sec-WebSocket-Extensions: permessage-deflate; {agreed}"
    assert wanted in lines(opening.response)
    assert opening.window_bits == bits


@pytest.mark.parametrize(
    "offers",
    [
        "",
        "x-webkit-deflate-frame",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; unknown",
    ],
)
def test_an_offer_that_cannot_be_met_is_declined(offers: str) -> None:
    headers = GOOD | {"Sec-WebSocket-Extensions": offers}
    opening = open_websocket(headers, None, deflates=True)
    assert opening.window_bits == 0
    assert not any("Extensions" in line for line in lines(opening.response))


def test_nothing_is_compressed_where_the_server_does_not_offer_it() -> None:
    headers = GOOD | {"Sec-WebSocket-Extensions": "permessage-deflate"}
    assert open_websocket(headers, None, deflates=False).window_bits == 0

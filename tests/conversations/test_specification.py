"""The conversations of the protocol's specification, held against the server's session
and the Python client's core."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from link import MemoryServer, principal

from ncs_client.core import ClientCore
from ncs_protocol import JSON, MSGPACK

pytestmark = pytest.mark.unit

SPECIFICATION = Path(__file__).parents[2] / "protocol" / "README.md"
CONVERSATIONS = dict(
    re.findall(
        r"^### ([^\n]+)\n\n(?:[^`#][^\n]*\n)*\n?```ncs\n(.*?)```",
        SPECIFICATION.read_text(),
        re.MULTILINE | re.DOTALL,
    )
)
CREDENTIALS = {
    "TOKEN": principal(),
    "SHORT": principal(expires_at=1_767_225_630.0),
    "FRESH": principal(expires_at=1_767_229_200.0),
}


def matches(shown: Any, actual: Any) -> bool:
    """Return whether `actual` has all that is shown; `...` stands for more fields."""
    if isinstance(shown, dict) and isinstance(actual, dict):
        if "..." not in shown and shown.keys() != actual.keys():
            return False
        fields = shown.keys() - {"..."}
        return all(k in actual and matches(shown[k], actual[k]) for k in fields)
    return bool(shown == actual)


def parse(line: str) -> Any:
    return orjson.loads(line[2:].replace(", ...}", ',"...":0}'))


def test_the_specification_has_its_conversations() -> None:
    assert len(CONVERSATIONS) >= 10


@pytest.mark.parametrize("title", CONVERSATIONS)
def test_the_server_says_what_the_specification_says(title: str) -> None:
    server = MemoryServer(CREDENTIALS)
    link = server.connect()
    for line in CONVERSATIONS[title].splitlines():
        if line.startswith("> "):
            assert not link.sent, "the specification leaves out what the server sent"
            link.send_frame(line[2:].encode())
        elif line.startswith("< "):
            if not link.sent:
                link.tick()
            actual = link.sent.pop(0)
            JSON.decode_server(actual)
            assert matches(parse(line), orjson.loads(actual)), actual.decode()
        elif line.startswith("(closed with"):
            assert link.closed is not None
            assert f"(closed with {link.closed.close_code})" == line
        elif passed := re.fullmatch(r"\((\d+) seconds pass\)", line):
            server.wait(int(passed[1]))
            link.tick()
        else:
            assert line == "(the connection breaks, and the client comes back)"
            link.drop()
            link = server.connect()
    assert not link.sent


@pytest.mark.parametrize("title", CONVERSATIONS)
def test_every_line_is_a_message_that_both_ends_know(title: str) -> None:
    core = ClientCore("TOKEN", "gateway-7", 0, ["line-1"])
    core.connected()
    for line in CONVERSATIONS[title].splitlines():
        if line.startswith("> "):
            message = JSON.decode_client(line[2:])
            assert MSGPACK.decode_client(MSGPACK.encode(message)) == message
        elif line.startswith("< ") and "..." not in line:
            core.receive(JSON.decode_server(line[2:]))

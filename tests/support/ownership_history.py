"""Checks what owners have written against what they may write.

What they wrote is taken from Redis itself: `MONITOR` tells each call in its true order,
and below it what a script did, which is nothing where it refused.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ncs_streamer.store.redis.scripts import ACQUIRE, APPEND

__all__ = ["Accepted", "accepted_appends", "check_history", "monitored"]

_LINE = re.compile(rb'^[\d.]+ \[\d+ \S+\] (".*")$')
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')


class Accepted(NamedTuple):
    """An entry that the store has taken, in the order in which it was answered."""

    offset: int
    epoch: int
    node: str


def check_history(accepted: Sequence[Accepted], tail: int) -> None:
    """Fail unless they are one line, of one owner after the other.

    Args:
        accepted: appends that the store has not refused.
        tail: of the journal.
    """
    in_order = sorted(accepted)
    assert [one.offset for one in in_order] == list(range(1, tail + 1)), "not one line"
    owners: dict[int, str] = {}
    epoch = 0
    for one in in_order:
        assert one.epoch >= epoch, f"{one} was written after epoch {epoch} had begun"
        epoch = one.epoch
        assert owners.setdefault(epoch, one.node) == one.node, "two owners in an epoch"


@contextlib.contextmanager
def monitored(port: int, path: Path) -> Iterator[None]:
    """Have Redis write all that it is asked to do to a file meanwhile."""
    command = ["redis-cli", "-p", str(port), "MONITOR"]
    with (
        path.open("wb") as file,
        subprocess.Popen(command, stdout=file) as monitor,
    ):
        try:
            while not path.stat().st_size:  # it says OK when it listens
                assert monitor.poll() is None
            yield
        finally:
            monitor.terminate()


def accepted_appends(path: Path) -> dict[str, list[Accepted]]:
    """Return what was appended to each journal, in the order in which Redis did it."""
    writer: tuple[int, str] | None = None
    found = dict[str, list[Accepted]]()
    nodes = dict[str, str]()  # by the nonce of their ownership
    for line in path.read_bytes().splitlines():
        if not (match := _LINE.match(line)):
            continue
        name, *words = [word.decode() for word in _WORD.findall(match[1])]
        if name == "XADD" and writer:
            journal, offset = words[0], int(words[1].removesuffix("-0"))
            found.setdefault(journal, []).append(Accepted(offset, *writer))
        elif name in {"EVALSHA", "EVAL"}:
            script, args = words[0], words[2 + int(words[1]) :]
            writer = None
            if script in {ACQUIRE.sha, _as_told(ACQUIRE.text)}:
                nodes[args[3]] = args[2]
            elif script in {APPEND.sha, _as_told(APPEND.text)}:
                writer = int(args[1]), nodes.get(args[0], args[0])
    return found


def _as_told(text: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(plain, escaped)
    return text

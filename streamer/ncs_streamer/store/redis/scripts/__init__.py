"""The Lua scripts: each does one thing in one slot, all of it or nothing.

Each may be run again when its reply was lost, and then answers as it did before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources

from redis.typing import EncodableT

from ..call import Call

__all__ = [
    "ACQUIRE",
    "APPEND",
    "CLEAR",
    "JOIN",
    "LEAVE",
    "LIVING",
    "RECORD",
    "RELEASE",
    "RENEW",
    "REPLACE",
    "SAVE",
    "SWAP",
    "TRUNCATE",
    "Script",
]


class Script:
    """A script by its file.

    Args:
        name: of the file.
        is_fenced: whether it begins with `fence.lua`, and so writes for the owner only.
        frees: whether it may run when the memory is full, because it makes room or
            keeps nodes alive.
    """

    def __init__(
        self, name: str, *, is_fenced: bool = False, frees: bool = False
    ) -> None:
        folder = resources.files(__name__)
        parts = ["fence.lua"] * is_fenced + [f"{name}.lua"]
        flags = " flags=allow-oom" if frees else ""
        body = "".join(folder.joinpath(part).read_text() for part in parts)
        self.text = f"#!lua{flags}\n{body}"
        self.sha = hashlib.sha1(self.text.encode()).hexdigest()  # noqa: S324 - Redis' own name of it

    def __call__(self, keys: Sequence[str], *args: EncodableT) -> Call:
        """Return the call of the script on `keys`, which are in one slot."""
        command = ("EVALSHA", self.sha, len(keys), *keys, *args)
        return Call(keys[0], command, self.text)


APPEND = Script("append", is_fenced=True)
TRUNCATE = Script("truncate", is_fenced=True, frees=True)
SAVE = Script("save", is_fenced=True)
REPLACE = Script("replace", is_fenced=True)
RECORD = Script("record", is_fenced=True)
CLEAR = Script("clear", is_fenced=True, frees=True)
ACQUIRE = Script("acquire", frees=True)
RELEASE = Script("release", frees=True)
JOIN = Script("join", frees=True)
RENEW = Script("renew", frees=True)
LEAVE = Script("leave", frees=True)
LIVING = Script("living")
SWAP = Script("swap")

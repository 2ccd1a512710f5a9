"""The names of keys: everything of a stream in one slot, nothing of two in one key."""

from __future__ import annotations

from urllib.parse import quote, unquote

from ..contracts import StreamKey

__all__ = ["Keys"]


class Keys:
    """Makes the names.

    Names of tenants and streams are escaped, whatever they are: a brace would move the
    hash tag, a colon would make two streams one.

    Args:
        prefix: before all of them, so that several installations can share a server.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.index = self._shared("streams")
        """Set of the tags of all streams."""
        self.leases = self._shared("nodes")
        """Hash, name -> when the lease ends, the life's nonce, the node."""
        self.users = self._shared("users")
        """Hash, name -> user."""
        self.api_keys = self._shared("keys")
        """Hash, SHA-256 -> key."""

    def _shared(self, name: str) -> str:
        return f"{self._prefix}:{{{name}}}"

    def head(self, key: StreamKey) -> str:
        """Hash: `tail` of the journal, `told` of the events; `node`, `epoch`, `nonce`,
        `successor` of the owner, and `start`, the tail that it found.
        """
        return self._of(key, "head")

    def journal(self, key: StreamKey) -> str:
        """Stream: the offset is the id."""
        return self._of(key, "journal")

    def events(self, key: StreamKey) -> str:
        """Stream: the offset is the id."""
        return self._of(key, "events")

    def snapshots(self, key: StreamKey) -> str:
        """Hash, offset -> snapshot."""
        return self._of(key, "snapshots")

    def live(self, key: StreamKey) -> str:
        """Sharded channel."""
        return self._of(key, "live")

    def filler(self, number: int) -> str:
        """String: written and dropped, to see whether that works."""
        return self._shared(f"check-{number}")

    def mark(self, nonce: str, number: int) -> str:
        """String: shows one node whether Redis still has what it was given."""
        return f"{self._prefix}:{{{nonce}-{number}}}:mark"

    def heartbeat(self, nonce: str, number: int) -> str:
        """Sharded channel of one node; `number` moves it to another slot."""
        return f"{self._prefix}:{{{nonce}-{number}}}:heartbeat"

    def _of(self, key: StreamKey, what: str) -> str:
        return f"{self._prefix}:{{{self.tag(key)}}}:{what}"

    @staticmethod
    def tag(key: StreamKey) -> str:
        """Return the stream as one word."""
        return ":".join(quote(part, safe="") for part in key)

    @staticmethod
    def untag(tag: bytes) -> StreamKey:
        """Return the stream of a tag."""
        tenant, _, stream = tag.decode().partition(":")
        return StreamKey(unquote(tenant), unquote(stream))

"""An event and its encodings, each made when the first reader needs it.

An encoding depends on the codec, on the detail that is wanted and on the offset from
which on the event stands for what came before it. Readers who have that in common share
the bytes.
"""

from __future__ import annotations

import msgspec

from ncs_protocol import Codec
from ncs_protocol.messages import Event, PointsSampleEvent

from .variant import Variant

__all__ = ["Encoded"]


class Encoded:
    """See the module.

    Attributes:
        event: not changed any more.
        type: its tag on the wire.
    """

    __slots__ = ("_bare", "_payloads", "event", "type")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.type = str(type(event).__struct_config__.tag)
        self._payloads: dict[tuple[str, bool, int], bytes] = {}
        self._bare: Encoded | None = None

    def payload(self, codec: Codec, variant: Variant, first: int) -> bytes:
        """Return it encoded, covering the offsets from `first` on."""
        place = (codec.subprotocol, variant.centroids, first)
        payload = self._payloads.get(place)
        if payload is None:
            event = variant.shown(covering(self.event, first))
            payload = self._payloads[place] = codec.encode(event)
        return payload

    @property
    def bare(self) -> Encoded:
        """A sample for readers that have its projection; else the same."""
        event = self.event
        if not isinstance(event, PointsSampleEvent):
            return self
        if self._bare is None:
            data = msgspec.structs.replace(event.data, projection=None)
            self._bare = Encoded(msgspec.structs.replace(event, data=data))
        return self._bare


def covering(event: Event, first: int) -> Event:
    """Return the event as one that covers the offsets from `first` to its last."""
    if first == event.first:
        return event
    if first == event.last:
        return msgspec.structs.replace(event, offset=first, from_=None, to=None)
    return msgspec.structs.replace(event, offset=None, from_=first, to=event.last)

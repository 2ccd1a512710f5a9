"""Who may hold a socket, how many, and for how long without saying anything.

`guard` stands between a socket and aiohttp and tells the `door`; what is decided by is
in the other modules, which know no socket and no clock.
"""

from __future__ import annotations

from .door import Door, DoorLimits
from .files import raise_open_files, room_for_sockets
from .guard import Guard, Watched
from .places import HANDSHAKES, Place, Places
from .site import GuardedSite, guard_of, watched

__all__ = [
    "HANDSHAKES",
    "Door",
    "DoorLimits",
    "Guard",
    "GuardedSite",
    "Place",
    "Places",
    "Watched",
    "guard_of",
    "raise_open_files",
    "room_for_sockets",
    "watched",
]

"""Who may hold a socket, how many, and for how long without saying anything.

`guard` stands between the listening socket and aiohttp; what it decides by is in the
other modules, which know no socket and no clock.
"""

from __future__ import annotations

from .files import raise_open_files, room_for_sockets
from .guard import Door, DoorLimits, Guard, GuardedSite, Watched, guard_of, watched
from .places import HANDSHAKES, Place, Places

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

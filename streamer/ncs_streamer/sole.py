"""One server on a store in Redis, as `lock_folder` sees to it for a data folder.

By a lease: one that was killed is followed at once by the next on the same machine and
data folder, and by another after the lease has ended.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from .logs import get_log
from .store import LostError, Node, Ownership, StoreError

__all__ = ["SoleServer"]

_ASK_S = 0.5
_RENEWALS = 4  # within a lease

log = get_log()


class SoleServer:
    """See the module.

    Args:
        ownership: of the store, which is open.
        folder: the data folder, which no other server on this machine has.
    """

    def __init__(self, ownership: Ownership, folder: Path) -> None:
        self._ownership = ownership
        self._node = Node(f"{socket.gethostname()}:{folder.absolute()}", "", 0)
        self._keeping: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Take the store, waiting for a lease to end, and keep it.

        Raises:
            StoreError: another server goes on having it.
        """
        await self._take()
        self._keeping = asyncio.create_task(self._keep())

    async def _take(self) -> None:
        """Take the store, waiting for a lease to end.

        Raises:
            StoreError: another server goes on having it.
        """
        tries = int(1.5 * self._ownership.lease_s / _ASK_S)
        for _ in range(tries):
            nodes = await self._ownership.nodes()
            others = [node.name for node in nodes if node.name != self._node.name]
            if not others:
                await self._ownership.join(self._node)
                return
            log.info("waiting_for_another_server", server=others[0])
            await asyncio.sleep(_ASK_S)
        raise StoreError(
            f"the store is in use by another server ({others[0]}); stop it, or choose"
            " another --redis-prefix"
        )

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._ownership.lease_s / _RENEWALS)
            try:
                await self._ownership.renew()
            except LostError:
                await self._again()
            except StoreError as error:  # said elsewhere too; it may pass in time
                log.warning("lease_not_renewed", error=str(error))

    async def _again(self) -> None:
        try:
            await self._take()
        except StoreError as error:
            log.error("store_taken_over", error=str(error))

    async def end(self) -> None:
        """Let it go."""
        if self._keeping is None:
            return
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        try:
            await self._ownership.leave()
        except StoreError as error:  # the lease ends by itself
            log.warning("lease_not_left", error=str(error))

"""A line to a server that speaks TLS to clients, as a proxy in front of one does."""

from __future__ import annotations

import asyncio
import random
import ssl
from pathlib import Path
from typing import Self

from certificates import make_certificates

from ncs_streamer.verify.proxy import Proxy

__all__ = ["TlsLine"]


class TlsLine(Proxy):
    """Within ``async with``; see the module.

    Args:
        server_url: of the server.
        folder: for the certificates.

    Attributes:
        trusting: for a client that knows the authority.
    """

    def __init__(self, server_url: str, folder: Path) -> None:
        super().__init__(lambda: server_url, random.Random(1))
        files = make_certificates(folder)
        self.trusting = ssl.create_default_context(cafile=files["ca.pem"])
        self._own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._own.load_cert_chain(files["server.pem"], files["server.key"])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, ssl=self._own
        )
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"https://127.0.0.1:{port}"
        return self

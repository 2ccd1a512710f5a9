"""A gateway in a process of its own, to be killed.

It pushes batches that are numbered over all its lives, and writes down what it is about
to push and what was confirmed: whatever a kill leaves in doubt is at most one batch.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from ncs_client import GatewayClient, SpoolOptions
from ncs_client.backoff import Backoff

__all__ = ["Ledger", "command"]


class Ledger:
    """Lines ``begun N`` and ``done N``; a line is there as a whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, word: str, number: int) -> None:
        """Write a line down; it survives the process."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{word} {number}\n".encode())
        os.close(descriptor)

    def numbers(self, word: str) -> set[int]:
        """Return the numbers that were written down with a word."""
        if not self._path.exists():
            return set()
        lines = [line.split() for line in self._path.read_text().splitlines()]
        return {int(number) for said, number in lines if said == word}


def command(url: str, folder: Path, token: str, *more: str) -> list[str]:
    """Return the command that runs a gateway."""
    return [sys.executable, __file__, url, str(folder), token, *more]


async def run(args: argparse.Namespace) -> None:
    """Push until the file `stop` is there, then flush and tell."""
    ledger = Ledger(args.folder / "ledger")
    stop = args.folder / "stop"
    number = max(ledger.numbers("begun"), default=0)
    gateway = GatewayClient(
        args.url,
        token=args.token,
        producer="gateway",
        spool_dir=args.folder / "spool",
        stream="s",
        spool=SpoolOptions(fsync=args.fsync, segment_bytes=4096, max_bytes=2**24),
        backoff=lambda: Backoff(longest_s=0.2),
    )
    async with gateway:
        while not stop.exists():
            number += 1
            ledger.note("begun", number)
            points = [[float(number % 7), float(i)] for i in range(1 + number % 3)]
            await gateway.push(points, metadata={"n": number})
            ledger.note("done", number)
            if number % 10 == 0:
                await asyncio.sleep(0.02)
        await gateway.flush(60)
        print(json.dumps(asdict(gateway.stats())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("token")
    parser.add_argument("--fsync", default="always")
    asyncio.run(run(parser.parse_args()))

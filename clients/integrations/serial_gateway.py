"""From a serial line to NCS, through a spool on disk.

    NCS_API_KEY=... serial_gateway.py --device /dev/ttyUSB0 --baud 115200

The device writes a line of numbers for each reading, separated by commas, semicolons or
blanks. A serial line can not be read again, so every reading goes to the spool of a
`GatewayClient` at once: from there it reaches the model exactly once, also if server or
network are away for hours. A line that is unplugged is opened again.
"""

import argparse
import asyncio
import contextlib
import logging
import math
import os
import re
import signal
import time
from pathlib import Path

import serial

from ncs_client import GatewayClient, SpoolOptions

READ_S = 0.2  # readings of so long are one batch
REOPEN_S = 1.0
MOST_BYTES = 65536

log = logging.getLogger("serial_gateway")


class Lines:
    """The readings of a line that may be unplugged."""

    def __init__(self, device: str, baud: int, dimension: int) -> None:
        self._device = device
        self._baud = baud
        self._dimension = dimension
        self._port: serial.Serial | None = None
        self._rest: bytes | None = None
        """What has come of a line; None before the first whole one."""

    def read(self) -> list[list[float]]:
        """Return the readings of the next moment; blocks for that long.

        Raises:
            serial.SerialException: if the line is not there.
        """
        if self._port is None:
            self._port = serial.Serial(self._device, self._baud, timeout=READ_S)
            self._rest = None
            print("listening to", self._device, flush=True)
        try:
            data = self._port.read(MOST_BYTES)
        except serial.SerialException:
            self.close()
            raise
        *lines, rest = ((self._rest or b"") + data).split(b"\n")
        if self._rest is None and lines:
            lines = lines[1:]  # who comes in the middle of a line has half a number
            self._rest = rest
        elif self._rest is not None:
            self._rest = rest[-MOST_BYTES:]
        readings = (self._numbers(line) for line in lines)
        return [reading for reading in readings if reading is not None]

    def _numbers(self, line: bytes) -> list[float] | None:
        words = re.split(r"[,;\s]+", line.decode(errors="replace").strip())
        with contextlib.suppress(ValueError):  # as noise, or a device that says hello
            numbers = [float(word) for word in words]
            if len(numbers) == self._dimension and all(map(math.isfinite, numbers)):
                return numbers
        log.warning("left out: %r", line)
        return None

    def close(self) -> None:
        """Let go of the line."""
        if self._port is not None:
            self._port.close()
            self._port = None


async def run(lines: Lines, gateway: GatewayClient, end: asyncio.Event) -> None:
    """Push what comes, until the end; what was read by then is pushed, too."""
    while not end.is_set():
        try:
            readings = await asyncio.to_thread(lines.read)
        except serial.SerialException as error:
            log.warning("%s; trying again", error)
            await asyncio.sleep(REOPEN_S)
            continue
        if readings:
            await gateway.push(readings, timestamps=[time.time()] * len(readings))
    lines.close()


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    state = Path(os.environ.get("STATE_DIRECTORY", "."))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", required=True, help="for example /dev/ttyUSB0")
    parser.add_argument("--baud", type=int, default=115200)
    parser.add_argument("--numbers", type=int, required=True, help="in a whole line")
    parser.add_argument("--stream", default="default")
    parser.add_argument("--producer", default="serial", help="name of this gateway")
    parser.add_argument("--spool", type=Path, default=state / "spool")
    return parser.parse_args()


async def main() -> None:
    """Read the line until SIGTERM or Ctrl-C."""
    args = arguments()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    gateway = GatewayClient(
        os.environ.get("NCS_URL", "http://127.0.0.1:8000"),
        api_key=os.environ["NCS_API_KEY"],
        producer=args.producer,
        stream=args.stream,
        spool_dir=args.spool,
        spool=SpoolOptions(max_bytes=256 * 1024 * 1024, overflow="drop_oldest"),
        on_drop=lambda reason, batches: log.error("%d lost: %s", batches, reason),
    )
    lines, end = Lines(args.device, args.baud, args.numbers), asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, end.set)
    async with gateway:
        await run(lines, gateway, end)


if __name__ == "__main__":
    asyncio.run(main())

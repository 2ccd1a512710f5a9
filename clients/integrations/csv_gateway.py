"""From a CSV file that something else writes to NCS, exactly once.

    NCS_API_KEY=... csv_gateway.py --file /var/log/meter.csv --columns flow,pressure

It follows the file like `tail -F`, from its first line on: what is appended is handed
over, and a file that is cut or replaced is begun anew. How far it is lies in a state
file, together with the batch at hand, so that a crash neither loses a line nor hands it
over twice.
"""

import argparse
import asyncio
import contextlib
import csv
import logging
import os
import signal
from pathlib import Path
from typing import BinaryIO

from handover import Handover, UnfitError

from ncs_client import AsyncNCSClient

MOST_LINES = 1000  # of one batch
POLL_S = 0.5

log = logging.getLogger("csv_gateway")


Position = tuple[int, int]
"""Inode of a file, and the byte up to which it has been read."""
Row = tuple[list[float] | None, Position]
"""A point, None for a line without one, and the position behind its line."""


class GrowingFile:
    """Reads the lines of a file that something appends to.

    Args:
        path: of the file; it need not be there yet.
        position: up to which it has been read before, if it has.
    """

    def __init__(self, path: Path, position: Position | None) -> None:
        self._path = path
        self._position = position
        self._file: BinaryIO | None = None

    def read(self) -> list[tuple[str, Position]]:
        """Return the next whole lines of one file, each with the position behind it."""
        if self._file is None:
            self._file = self._open()
        if self._file is None:
            return []
        inode, lines = (
            os.fstat(self._file.fileno()).st_ino,
            list[tuple[str, Position]](),
        )
        while len(lines) < MOST_LINES:
            start, raw = self._file.tell(), self._file.readline()
            if not raw.endswith(b"\n"):  # it is not written to its end yet
                self._file.seek(start)
                break
            text = raw.decode(errors="replace")
            lines.append((text, (inode, self._file.tell())))
        if not lines and self._is_over(inode, self._file.tell()):
            self._file.close()
            self._file, self._position = None, None
        return lines

    def header(self) -> str:
        """Return the first line of the file that was read last."""
        assert self._file is not None
        offset = self._file.tell()
        self._file.seek(0)
        first = self._file.readline().decode(errors="replace")
        self._file.seek(offset)
        return first

    def _open(self) -> BinaryIO | None:
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return None
        about = os.fstat(file.fileno())
        if self._position is not None:
            inode, offset = self._position
            if inode == about.st_ino and offset <= about.st_size:
                file.seek(offset)
        return file

    def _is_over(self, inode: int, offset: int) -> bool:
        """Return whether another file is there now, or this one was cut."""
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False  # the next one is yet to come
        return now.st_ino != inode or now.st_size < offset


class Columns:
    """Makes points of lines.

    Args:
        header: the first line of the file, whether it has names or numbers.
        wanted: names of the columns that are the dimensions; all if empty.
    """

    def __init__(self, header: str, wanted: list[str]) -> None:
        self._header = header
        names = next(csv.reader([header]), [])
        missing = [name for name in wanted if name not in names]
        if missing:
            raise SystemExit(f"the file has no column {missing[0]!r}, only {names}")
        self._places = [names.index(name) for name in wanted] or range(len(names))

    def point(self, line: str) -> list[float] | None:
        """Return the point of a line; None for the header, and for bad ones."""
        try:
            cells = next(csv.reader([line]), [])
            return [float(cells[place]) for place in self._places]
        except (ValueError, IndexError, csv.Error) as error:
            if line != self._header:
                log.error("left out: %r: %s", line, error)
            return None


async def follow(file: GrowingFile, handover: Handover, wanted: list[str]) -> None:
    """Hand over what comes, until cancelled."""
    while True:
        if lines := file.read():
            columns = Columns(file.header(), wanted)
            rows = [(columns.point(line), behind) for line, behind in lines]
            await deliver(handover, rows)
        else:
            await asyncio.sleep(POLL_S)


async def deliver(handover: Handover, rows: list[Row]) -> None:
    """Hand rows over; leave out those that the server refuses, and no others."""
    points = [point for point, _ in rows if point is not None]
    try:
        await handover.deliver(points, rows[-1][1])
    except UnfitError as error:
        if len(rows) > 1:
            half = len(rows) // 2
            await deliver(handover, rows[:half])
            await deliver(handover, rows[half:])
        else:
            log.error("left out: %s: %s", points[0], error)
            await handover.deliver([], rows[-1][1])


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument(
        "--columns", default="", help="names, for example flow,pressure"
    )
    parser.add_argument("--stream", default="default")
    parser.add_argument(
        "--state",
        type=Path,
        default=Path(os.environ.get("STATE_DIRECTORY", "."), "csv-gateway.json"),
        help="file of the batch at hand; keep it on a disk",
    )
    return parser.parse_args()


async def main() -> None:
    """Follow the file until SIGTERM or Ctrl-C."""
    args = arguments()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    url = os.environ.get("NCS_URL", "http://127.0.0.1:8000")
    async with AsyncNCSClient(url, os.environ["NCS_API_KEY"]) as client:
        handover = Handover(client, args.stream, args.state)
        await handover.begin()
        file = GrowingFile(args.file, handover.position)
        wanted = [name for name in args.columns.split(",") if name]
        following = asyncio.ensure_future(follow(file, handover, wanted))
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, following.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await following


if __name__ == "__main__":
    asyncio.run(main())

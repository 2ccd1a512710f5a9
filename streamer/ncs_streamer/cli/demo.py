"""`ncs demo`: server, gateways on real and simulated input, page and live table."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ncs_client import AsyncNCSClient, ClusterView, NcsClientError, StreamSession
from ncs_client.core import Incoming
from ncs_protocol.messages import AlgorithmStatusEvent, PerformanceMetricsEvent

from ..demo.gateways import push_machine, push_plant
from ..processes import LocalCluster, ServerProcess
from ..store import lock_folder
from .options import positive
from .tail import line_of

__all__ = ["add_to"]

_USUAL_URL = "http://127.0.0.1:8000"
_FOLDER = Path("data/demo")
_STREAMS = ("machine", "plant")
_REFRESH_S = 0.5
_LINES = 8
_SILENT_S = 3.0  # a stream with traffic says something each second


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "demo", help="run a server with live input, a page and a table"
    )
    parser.add_argument("--port", default="8000", help="port of the server [8000]")
    parser.add_argument(
        "--data-dir",
        type=Path,
        help="folder to go on from; data/demo, begun anew, unless given",
    )
    parser.add_argument(
        "--nodes",
        type=positive(int),
        default=1,
        help="more than one: a cluster, with Redis and a load balancer [1]",
    )
    parser.add_argument("--seconds", type=positive(float), help="stop after so long")
    parser.add_argument("--seed", type=int, default=0, help="of the plant [0]")
    parser.add_argument(
        "--rate",
        type=positive(float),
        default=4000.0,
        help="plant points a second [4000]",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.data_dir is None:
        args.data_dir = _FOLDER
        with lock_folder(_FOLDER):
            for file in _FOLDER.glob("ncs.db*"):
                file.unlink()
            shutil.rmtree(_FOLDER / "redis", ignore_errors=True)
    args.data_dir.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_demo(args))


async def _demo(args: argparse.Namespace) -> int:
    main = asyncio.current_task()
    assert main is not None
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(name, main.cancel)
    server: ServerProcess | LocalCluster
    if args.nodes > 1:
        log = args.data_dir / "node-1.log"
        server = LocalCluster(args.nodes, int(args.port), args.data_dir)
    else:
        log = args.data_dir / "server.log"
        server = ServerProcess(
            "--port", args.port, "--data-dir", str(args.data_dir), log=log
        )
    try:
        async with server:
            place = f"--data-dir {args.data_dir}"
            if isinstance(server, LocalCluster):
                place = f"--store {server.redis.url}"
                print(f"  Look and move:  ncs nodes {place}")
            at = "" if server.url == _USUAL_URL else f" --url {server.url}"
            print(f"  A key to push:  ncs keys create me {place}")
            print(f"  Events:         ncs tail --stream plant{at}", flush=True)
            showing = asyncio.create_task(_show(args, server.url, log))
            ended = asyncio.create_task(server.process.wait())
            try:
                await asyncio.wait(
                    (showing, ended), return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                alive = not ended.done()
                ended.cancel()
                showing.cancel()
                await asyncio.gather(showing, return_exceptions=True)
            if not alive:
                print(f"ncs: the server ended by itself; see {log}", file=sys.stderr)
                return 1
            if not showing.cancelled():
                showing.result()
    except NcsClientError as error:
        print(f"ncs: {error}; see {log}", file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        pass
    code = 0 if args.nodes > 1 else server.process.returncode
    print(f"stopped; everything acknowledged is in {args.data_dir}")
    return 0 if code == 0 else 1


async def _show(args: argparse.Namespace, url: str, log: Path) -> None:
    async with AsyncNCSClient(url) as client:
        await client.login("admin", "admin123")
        gateway = await client.create_key("demo gateway", ["read", "write"], days=1)
        page = await client.create_key("demo page", ["read"], days=1)
        link = f"{url}/#key={page.api_key}&stream=plant"
        try:
            async with AsyncNCSClient(url, gateway.api_key) as pusher:
                await _push_and_watch(args, pusher, link, log)
        finally:
            with contextlib.suppress(Exception):  # they end by themselves in a day
                await client.login("admin", "admin123")  # the first one may be expired
                for key in (gateway, page):
                    await client.revoke_key(key.key_id)


async def _push_and_watch(
    args: argparse.Namespace, client: AsyncNCSClient, link: str, log: Path
) -> None:
    boards = {name: _Board(name) for name in _STREAMS}
    async with (
        client.stream(producer="demo-machine", streams=["machine"]) as machine,
        client.stream(producer="demo-plant", streams=["plant"]) as plant,
        client.stream(codec="json") as reader,
    ):
        tasks = [
            asyncio.create_task(push_machine(machine, "machine")),
            asyncio.create_task(push_plant(plant, "plant", args.seed, args.rate)),
            asyncio.create_task(_draw(boards, link, log)),
            *(asyncio.create_task(board.follow(reader)) for board in boards.values()),
        ]
        try:
            done, _ = await asyncio.wait(
                tasks, timeout=args.seconds, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class _Board:
    """What is shown of one stream."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.view = ClusterView()
        self.lines: list[str] = []
        self.heard = time.monotonic()

    async def follow(self, session: StreamSession) -> None:
        """Take in events for ever."""
        async for message in await session.subscribe(self.stream):
            self.view.apply(message)
            self.heard = time.monotonic()
            if self._is_news(message):
                self.lines.append(line_of(message))
                del self.lines[:-_LINES]

    @staticmethod
    def _is_news(message: Incoming) -> bool:
        periodic = isinstance(message, AlgorithmStatusEvent | PerformanceMetricsEvent)
        return not periodic and getattr(message, "delivery", "") == "lossless"

    def row(self) -> list[str]:
        """Return the cells of its row."""
        status, speed = self.view.status, self.view.performance
        if status is None:
            return [self.stream, *["-"] * 7]
        silent_s = time.monotonic() - self.heard
        rate = f"{speed.points_per_second:,.0f}" if speed else "-"
        return [
            self.stream,
            f"{status.total_points_processed:,}",
            rate if silent_s < _SILENT_S else f"silent for {silent_s:.0f} s",
            f"{speed.ack_latency_ms:.1f} ms" if speed else "-",
            str(len(self.view.clusters)),
            f"{status.clustering_quality:.2f}",
            f"{status.outlier_rate:.1%}",
            self.view.drift.severity if self.view.drift else "none",
        ]


async def _draw(boards: dict[str, _Board], link: str, log: Path) -> None:
    """Keep a table on a terminal; elsewhere print a line now and then."""
    console = Console()
    console.print(f"\n  Dashboard:  [link={link}]{link}[/link]", soft_wrap=True)
    console.print(f"  Server log: {log}    Ctrl-C stops everything.\n")
    if console.is_terminal:
        with Live(_table(boards), console=console, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(_REFRESH_S)
                live.update(_table(boards), refresh=True)
    began = time.monotonic()
    while True:
        await asyncio.sleep(5.0)
        for board in boards.values():
            name, points, rate, ack, clusters, *_ = board.row()
            print(
                f"{time.monotonic() - began:6.0f} s  {name:8} {points} points,"
                f" points/s {rate}, ack {ack}, {clusters} clusters",
                flush=True,
            )


def _table(boards: dict[str, _Board]) -> Group:
    table = Table(
        "stream", "points", "points/s", "ack", "clusters", "quality", "outliers",
        "last drift",
    )  # fmt: skip
    for board in boards.values():
        table.add_row(*board.row())
    news = [f"{name:8} {line}" for name, b in boards.items() for line in b.lines]
    news.sort(key=lambda line: line[9:])
    return Group(table, Text("\n".join(news[-_LINES:])))

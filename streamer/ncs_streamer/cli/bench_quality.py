"""`ncs bench quality`: how good clusters, outliers and drift are, beside the peers."""

from __future__ import annotations

import argparse
import fnmatch
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from ..bench.detectors import DETECTORS
from ..bench.figures import machine
from ..bench.generators import GENERATORS, generate
from ..bench.labelled import MIN_POINTS, LabelledStream, StreamFileError, read_folder
from ..bench.methods import INSTALL, NCS, Method, Verdicts, is_installed, missing_line
from ..bench.packaged import PACKAGED, load_packaged
from ..bench.peers import CLUSTERERS
from ..bench.pictures import draw
from ..bench.quality import Row, run_quality, runs_of
from ..bench.summary import summarize
from .output import print_json
from .quality_tables import print_tables

__all__ = ["add_to"]


def add_to(benches: Any) -> None:
    """Add the command."""
    parser = benches.add_parser("quality", help="clusters, outliers and drift")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="more streams: a folder of .npz files"
    )
    parser.add_argument(
        "--points",
        type=_points,
        default=6000,
        metavar="N",
        help="first points of a stream that are scored [6000]",
    )
    parser.add_argument(
        "--streams",
        default="*",
        metavar="GLOB",
        help="only these, by name or origin/name, as 'data/*' [all]",
    )
    parser.add_argument("--no-peers", action="store_true", help="NCS alone")
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="draw an SVG file per stream"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=_run)


def _points(text: str) -> int:
    if not text.isdigit() or int(text) < MIN_POINTS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no whole number from {MIN_POINTS} on"
        )
    return int(text)


def _run(args: argparse.Namespace) -> int:
    try:
        streams = _streams(args)
    except StreamFileError as error:
        print(f"ncs: {error}", file=sys.stderr)
        return 1
    lacking = _lacking(args)
    if not streams:
        why = f"no stream is named {args.streams!r}"
        if lacking:
            why = f"these come with scikit-learn, which is missing: {INSTALL}"
        print(f"ncs: {why}", file=sys.stderr)
        return 1 if lacking else 2
    peers = () if args.no_peers else (*CLUSTERERS, *DETECTORS)
    missing = [peer for peer in peers if not peer.installed]
    methods = [NCS, *(peer for peer in peers if peer.installed)]
    if args.pictures:
        args.pictures.mkdir(parents=True, exist_ok=True)
    rows = _rows(args, streams, methods)
    summary = summarize(rows)
    if args.json:
        report = {
            "machine": machine(),
            "points": args.points,
            "methods": {m.name: {"settings": dict(m.settings)} for m in methods},
            "missing": [
                {"method": peer.name, "package": peer.package, "install": INSTALL}
                for peer in missing
            ],
            "missing_streams": lacking,
            "summary": summary,
            "rows": rows,
        }
        print_json(report)
        return 0
    console = Console(highlight=False)
    print_tables(console, rows, summary)
    if missing:
        console.print(missing_line(missing))
    if lacking:
        names = ", ".join(lacking)
        console.print(f"Not scored, as scikit-learn is not installed: {names}")
    return 0


def _streams(args: argparse.Namespace) -> list[LabelledStream]:
    """Return the streams that are wanted, of all three origins."""
    streams = [generate(name) for name in GENERATORS if _wants(args, "generated", name)]
    if not _lacking(args):
        streams += [load_packaged(name) for name in _packaged(args)]
    if args.data:
        streams += read_folder(args.data, lambda name: _wants(args, "data", name))
    return streams


def _wants(args: argparse.Namespace, origin: str, name: str) -> bool:
    names = (name, f"{origin}/{name}")
    return any(fnmatch.fnmatchcase(known, args.streams) for known in names)


def _packaged(args: argparse.Namespace) -> list[str]:
    return [name for name in PACKAGED if _wants(args, "packaged", name)]


def _lacking(args: argparse.Namespace) -> list[str]:
    """Return the packaged data sets that are wanted and whose package is not there."""
    return [] if is_installed("scikit-learn") else _packaged(args)


def _rows(
    args: argparse.Namespace,
    streams: Sequence[LabelledStream],
    methods: Sequence[Method],
) -> list[Row]:
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(list(runs_of(streams, methods))))

        def on_step(stream: LabelledStream, method: Method) -> None:
            text = f"{stream.path}, {method.name}"
            progress.update(task, description=text, advance=1)

        def on_verdicts(
            stream: LabelledStream, method: Method, verdicts: Verdicts
        ) -> None:
            if args.pictures and method is NCS and verdicts.ids is not None:
                ids = verdicts.ids[: len(stream.points)]
                file = args.pictures / f"{stream.origin}-{stream.name}.svg"
                file.write_text(draw(stream, ids, stream.path), encoding="utf-8")

        runs = run_quality(
            streams,
            methods,
            points=args.points,
            on_step=on_step,
            on_verdicts=on_verdicts,
        )
        return list(runs)

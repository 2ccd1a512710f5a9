"""`ncs tail`: follow the events of a stream in the terminal."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import orjson

from ncs_client import (
    AsyncNCSClient,
    Epsilon,
    EventFilter,
    Sample,
)
from ncs_client.core import Incoming
from ncs_protocol import NcsError
from ncs_protocol.messages import (
    EVENT_TYPES,
    SEVERITIES,
    AlgorithmStatusEvent,
    CaughtUp,
    ClusterUpdateEvent,
    DriftDetectionEvent,
    Event,
    Lagging,
    PerformanceMetricsEvent,
    PointsSampleEvent,
    Position,
    PresenceEvent,
    Snapshot,
    Subscribed,
)

from ..sse import decode_position, encode_position
from .options import add_client_options, credential_of, say_reconnect

__all__ = ["add_to", "line_of"]


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("tail", help="follow the events of a stream")
    add_client_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--events",
        help=f"of {','.join(EVENT_TYPES)} [all but presence; as text, without cluster"
        " updates]",
    )
    parser.add_argument("--limit", type=int, help="stop after so many events")
    parser.add_argument("--max-hz", type=float, help="updates a second, at most")
    parser.add_argument("--clusters", help="only these, for example 3,7")
    parser.add_argument("--min-severity", choices=SEVERITIES, help="of drift")
    parser.add_argument(
        "--min-move", type=float, help="distance that a centroid has to move"
    )
    parser.add_argument(
        "--min-growth", type=float, help="share by which a size has to change"
    )
    parser.add_argument(
        "--no-centroids", action="store_true", help="clusters without their centroids"
    )
    parser.add_argument("--sample", type=int, help="show so many points of each sample")
    parser.add_argument(
        "--axes", type=_axes, default=2, help="of samples: 2, 3, or coordinates 0,4 [2]"
    )
    parser.add_argument(
        "--since", type=_position, help="go on from there; told when it ends"
    )
    parser.set_defaults(run=_run)


def _position(text: str) -> Position:
    try:
        return decode_position(text)
    except NcsError:
        why = f"{text!r} is not what `ncs tail` tells when it ends"
        raise argparse.ArgumentTypeError(why) from None


def _axes(text: str) -> int | tuple[int, ...]:
    try:
        axes = tuple(map(int, text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} are no axes") from None
    return axes[0] if len(axes) == 1 else axes


def _run(args: argparse.Namespace) -> int:
    events = args.events.split(",") if args.events else None
    for name in events or ():
        if name not in EVENT_TYPES:
            raise SystemExit(f"ncs: {name!r} is no event: {', '.join(EVENT_TYPES)}")
    return asyncio.run(_tail(args, credential_of(args), events, _options(args)))


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """Return what of the events is wanted, as `subscribe` takes it."""
    options: dict[str, Any] = {
        "max_hz": args.max_hz,
        "centroids": not args.no_centroids,
        "since": args.since,
    }
    if args.clusters or args.min_severity:
        try:
            only = (
                [int(id) for id in args.clusters.split(",")] if args.clusters else None
            )
        except ValueError:
            raise SystemExit(f"ncs: --clusters {args.clusters!r}: no ids") from None
        options["filter"] = EventFilter(clusters=only, min_severity=args.min_severity)
    if args.min_move is not None or args.min_growth is not None:
        options["epsilon"] = Epsilon(centroid=args.min_move, size=args.min_growth)
    if args.sample is not None:
        options["sample"] = Sample(max_points=args.sample, dimensions=args.axes)
    return options


async def _tail(
    args: argparse.Namespace, credential: str, events: Any, options: dict[str, Any]
) -> int:
    shown = 0
    async with AsyncNCSClient(args.url, credential) as client:
        async with client.stream(on_reconnect=say_reconnect) as session:
            subscription = await session.subscribe(args.stream, events, **options)
            try:
                async for message in subscription:
                    if events is None and not args.json and _is_update(message):
                        continue  # many a second; --events cluster_update has them
                    print(_as_json(message) if args.json else line_of(message))
                    sys.stdout.flush()
                    shown += isinstance(message, Event)
                    if args.limit is not None and shown >= args.limit:
                        break
            finally:
                if at := subscription.position:
                    place = encode_position(at.epoch, at.offsets)
                    print(f"to go on from here: --since {place}", file=sys.stderr)
    return 0


def _is_update(message: Incoming) -> bool:
    return isinstance(message, ClusterUpdateEvent) and message.delivery == "keyed"


def _as_json(message: Incoming) -> str:
    plain = msgspec.to_builtins(message, builtin_types=(np.ndarray,))
    return orjson.dumps(plain, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def line_of(message: Incoming) -> str:
    """Return one line for a person."""
    return f"{_time_of(message):%H:%M:%S.%f} {_words(message)}"


def _time_of(message: Incoming) -> datetime:
    times = message.times if isinstance(message, Event) else None
    at = datetime.fromtimestamp(times.emitted, UTC) if times else datetime.now(UTC)
    return at.astimezone()


def _words(message: Incoming) -> str:
    match message:
        case Lagging():
            return f"{message.level:10} {message.behind_ms} ms behind"
        case CaughtUp():
            return f"caught up  {message.skipped} updates were left out"
        case Subscribed(snapshot=Snapshot() as model):
            return f"snapshot   {len(model.clusters)} clusters, epoch {message.epoch}"
        case Subscribed():
            return f"resumed    epoch {message.epoch}"
        case ClusterUpdateEvent(data=update):
            text = f"{update.change:10} cluster {update.cluster_id}, size {update.size}"
            if update.merged_into is not None:
                text += f", into {update.merged_into}"
            if update.split_from is not None:
                text += f", out of {update.split_from}"
            if update.radius is not None:
                text += f", quality {update.quality:.2f}"
            return text
        case DriftDetectionEvent(data=drift):
            clusters = ", ".join(map(str, drift.affected_clusters))
            return f"drift      {drift.severity}; clusters {clusters}"
        case AlgorithmStatusEvent(data=status):
            return (
                f"status     {status.total_points_processed} points,"
                f" {status.active_clusters} clusters,"
                f" quality {status.clustering_quality:.2f}"
            )
        case PresenceEvent(data=presence):
            flapping = sum(gateway.is_flapping for gateway in presence.gateways)
            return (
                f"presence   {presence.subscribers} subscribers,"
                f" {presence.producers} producers, {flapping} of them flapping"
            )
        case PerformanceMetricsEvent(data=metrics):
            return (
                f"metrics    {metrics.points_per_second:.0f} points/s, ack"
                f" {metrics.ack_latency_ms:.1f} ms, backlog {metrics.backlog_points}"
            )
        case PointsSampleEvent(data=sample):
            return (
                f"sample     {len(sample.points)} of {sample.learned} points,"
                f" {sample.is_outlier.sum()} outliers,"
                f" {len(set(sample.cluster_ids.tolist()) - {-1})} clusters,"
                f" axes {sample.projection_version}"
            )

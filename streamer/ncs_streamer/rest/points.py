"""Batches and the state of streams over HTTP."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from aiohttp import hdrs, web
from msgspec import UNSET, UnsetType

from ncs_engine import Engine, EngineParams, LearnResult
from ncs_protocol import Block, Code, NcsError, check_name
from ncs_protocol.messages import ClusterInfo

from ..entry import Entry
from ..idempotency import check_key, digest_of
from ..intake import Intake, take_in
from ..logs import get_log
from ..server import Server
from ..store.contracts import StreamKey
from ..stream import Stream
from ..stream_model import Applied, StreamModel
from ..telling import status_message
from .context import (
    IDEMPOTENCY_KEY,
    KEY_HEADER,
    REQUEST_ID,
    principal_of,
    read_body,
    reply,
    server_of,
)
from .middleware import client_ip
from .shapes import (
    ClusterOut,
    ConfigureReply,
    ConfigureRequest,
    PointInCluster,
    PointOutlier,
    PointResult,
    ProcessRequest,
    ProcessResult,
    ResetReply,
    ResetRequest,
)

__all__ = [
    "algorithm_config",
    "algorithm_status",
    "cluster_out",
    "clusters_summary",
    "configure",
    "list_streams",
    "presence",
    "process_points",
    "reset",
]

_LISTED = 1000  # gateways
_LIST_TYPE = "application/vnd.ncs.list+json"

log = get_log()


async def process_points(request: web.Request) -> web.Response:
    """Cluster a batch and say what became of each point."""
    server, principal = server_of(request), principal_of(request)
    body = await read_body(request, ProcessRequest)
    began = server.clock.monotonic()
    intake = _take_in(request, body)
    if body.algorithm_params is not None:
        principal.require("admin")
        _check_params(body.algorithm_params, "algorithm_params")
    rest = (intake.timestamps, body.metadata, body.algorithm_params)
    identity = _identity(request, intake.block, rest)
    stream = await _open(request, body.stream)
    entry = _entry(
        server,
        "points",
        points=intake.block,
        timestamps=intake.timestamps,
        metadata=body.metadata,
        params=body.algorithm_params,
        **identity,
    )
    applied = await _submit(server, stream, entry, intake.block.nbytes)
    _raise_if_refused(applied, "algorithm_params")

    def look(model: StreamModel) -> tuple[LearnResult, list[ClusterInfo], Any]:
        told = applied.result or _predicted(model.engine, intake.block)
        return told, _clusters_of(model, told), model.engine.statistics()

    told, clusters, statistics = await stream.ask(look)
    result = _point_results(intake.block, told)
    elapsed_ms = round(1000 * (server.clock.monotonic() - began), 3)
    log.info(
        "points_processed",
        tenant=principal.tenant,
        stream=body.stream,
        points_count=entry.count,
        clusters_found=len(clusters),
        processing_time_ms=elapsed_ms,
    )
    if _wants_list(request):
        return reply(result)
    inside, outside = _by_verdict(result)
    return reply(
        ProcessResult(
            request_id=request[REQUEST_ID],
            stream=body.stream,
            offset=applied.offset,
            duplicate=applied.duplicate or UNSET,
            clusters=inside,
            outliers=outside,
            results=result,
            cluster_summaries=[cluster_out(cluster) for cluster in clusters],
            algorithm_quality=statistics["clustering_quality"],
            processing_time_ms=elapsed_ms,
            points_processed=entry.count,
            clusters_found=len(clusters),
            timestamp=datetime.now(UTC),
        )
    )


async def clusters_summary(request: web.Request) -> web.Response:
    """List the clusters of a stream by id."""
    stream = await _find(request)
    if stream is None:
        return reply([])
    view = await stream.ask(StreamModel.view)
    return reply([cluster_out(cluster) for cluster in view.clusters])


async def algorithm_status(request: web.Request) -> web.Response:
    """Tell the state of a stream's engine; a stream without points has one too."""
    server, stream = server_of(request), await _find(request)
    if stream is not None:
        return reply(await stream.telling.status())
    statistics = Engine(server.settings.engine_params).statistics()
    return reply(status_message(statistics, 0.0, 0.0))


async def presence(request: web.Request) -> web.Response:
    """Tell who is there on a stream."""
    server, name = server_of(request), _stream_name(request)
    stream = await _find(request)
    if stream is not None:
        return reply(stream.telling.presence(_LISTED))
    # Who has named it in a hello is there, though no point has come yet.
    key, now = StreamKey(principal_of(request).tenant, name), server.clock.now()
    return reply(server.roll.presence(key, 0, now, _LISTED))


async def algorithm_config(request: web.Request) -> web.Response:
    """Tell the engine parameters of a stream."""
    server, stream = server_of(request), await _find(request)
    if stream is None:
        params, offset = server.settings.engine_params, 0
    else:
        params, offset = await stream.ask(lambda m: (m.engine.params, m.offset))
    return reply(
        ConfigureReply(
            stream=_stream_name(request), offset=offset, params=params.as_dict()
        )
    )


async def configure(request: web.Request) -> web.Response:
    """Change engine parameters from the next batch on."""
    server = server_of(request)
    body = await read_body(request, ConfigureRequest)
    _check_params(body.params, "params")
    identity = _identity(request, None, ("configure", body.params))
    stream = await _open(request, body.stream)
    entry = _entry(server, "configure", params=body.params, **identity)
    applied = await _submit(server, stream, entry, 0)
    _raise_if_refused(applied, "params")
    params = await stream.ask(lambda model: model.engine.params)
    key = StreamKey(principal_of(request).tenant, body.stream)
    log.info("configured", **key._asdict(), params=body.params)
    return reply(
        ConfigureReply(
            stream=body.stream,
            offset=applied.offset,
            duplicate=applied.duplicate or UNSET,
            params=params.as_dict(),
        )
    )


async def reset(request: web.Request) -> web.Response:
    """Throw the model of a stream away; the dimension is free again."""
    server, principal = server_of(request), principal_of(request)
    body = await read_body(request, ResetRequest)
    if not body.confirm:
        raise NcsError(Code.CONFIRMATION_REQUIRED)
    identity = _identity(request, None, ("reset",))
    stream = await _open(request, body.stream)
    applied = await _submit(server, stream, _entry(server, "reset", **identity), 0)
    if not applied.duplicate:
        key = StreamKey(principal.tenant, body.stream)
        log.warning("reset", **key._asdict(), by=principal.subject)
    return reply(
        ResetReply(
            stream=body.stream,
            offset=applied.offset,
            duplicate=applied.duplicate or UNSET,
            clusters_removed=len(applied.events),
        )
    )


async def list_streams(request: web.Request) -> web.Response:
    """List the tenant's streams."""
    server, principal = server_of(request), principal_of(request)
    return reply(await server.streams.names(principal.tenant))


def _take_in(request: web.Request, body: ProcessRequest) -> Intake:
    """Return the checked batch; log it if it looks like a probe."""
    server = server_of(request)
    intake = take_in(
        stream=body.stream,
        points=None if isinstance(body.points, UnsetType) else body.points,
        array=body.array,
        timestamps=body.timestamps,
        metadata=body.metadata,
        limits=server.limits,
        strict=server.settings.strict_input,
    )
    if intake.suspicion:
        log.warning(
            "suspicious_activity",
            event_type="suspicious_points",
            details=intake.suspicion,
            source_ip=client_ip(request),
        )
    return intake


def _identity(request: web.Request, block: Block | None, rest: Any) -> dict[str, Any]:
    """Return what makes a request count once, if it has an Idempotency-Key."""
    key = request.headers.get(KEY_HEADER, request.get(IDEMPOTENCY_KEY))
    if key is None:
        return {}
    return {"key": check_key(key), "digest": digest_of(block, rest)}


def _check_params(params: dict[str, Any], field: str) -> None:
    try:
        EngineParams().replace(**params)
    except ValueError as error:
        raise NcsError(Code.INVALID_PARAMETER, str(error), field=field) from None


def _entry(server: Server, kind: Any, **fields: Any) -> Entry:
    return Entry(kind=kind, ingest_ns=round(server.clock.now() * 1e9), **fields)


async def _submit(server: Server, stream: Stream, entry: Entry, size: int) -> Applied:
    """Wait until the entry is durable and in the model."""
    if server.draining:
        raise NcsError(Code.DRAINING)
    future: asyncio.Future[Applied] = asyncio.get_running_loop().create_future()
    arrived = server.clock.monotonic()

    def done(outcome: Applied | NcsError) -> None:
        if entry.kind == "points":
            server.note_batch("rest", entry.count, arrived, outcome)
        if future.cancelled():
            return
        if isinstance(outcome, NcsError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    try:
        stream.submit(entry, size, done)
    finally:
        server.streams.discard_unused(stream)  # if it refused its first batch
    return await future


def _raise_if_refused(applied: Applied, field: str) -> None:
    if applied.refusal:
        raise NcsError(Code.INVALID_PARAMETER, applied.refusal, field=field)


def _predicted(engine: Engine, block: Block) -> LearnResult:
    """Return what an engine says of points; after a reset it may know other ones."""
    known = engine.dimension in (None, block.shape[1])
    return (engine if known else Engine()).predict(block)


def _clusters_of(model: StreamModel, told: LearnResult) -> list[ClusterInfo]:
    ids = {i for i in told.cluster_ids.tolist() if i >= 0}
    return [cluster for cluster in model.view().clusters if cluster.cluster_id in ids]


def _point_results(block: Block, learned: LearnResult) -> list[PointResult]:
    rows = zip(
        block.tolist(),
        learned.cluster_ids.tolist(),
        learned.is_outlier.tolist(),
        learned.outlier_scores.tolist(),
        strict=True,
    )
    return [
        PointResult(
            index=index,
            input_point=point,
            cluster_id=cluster,
            is_outlier=strange,
            outlier_score=score,
        )
        for index, (point, cluster, strange, score) in enumerate(rows)
    ]


def _by_verdict(
    results: list[PointResult],
) -> tuple[list[PointInCluster], list[PointOutlier]]:
    """Return the two lists in which the documented reply has its points."""
    inside = [
        PointInCluster(
            index=r.index,
            point=r.input_point,
            cluster_id=r.cluster_id,
            outlier_score=r.outlier_score,
        )
        for r in results
        if not r.is_outlier
    ]
    outside = [
        PointOutlier(index=r.index, point=r.input_point, outlier_score=r.outlier_score)
        for r in results
        if r.is_outlier
    ]
    return inside, outside


def cluster_out(cluster: ClusterInfo) -> ClusterOut:
    """Return a cluster as the API tells it."""
    fields = {name: getattr(cluster, name) for name in cluster.__struct_fields__}
    fields["last_updated"] = datetime.fromtimestamp(cluster.last_updated, UTC)
    return ClusterOut(**fields)


def _wants_list(request: web.Request) -> bool:
    accepted = request.headers.get(hdrs.ACCEPT, "").split(",")
    kinds = {kind.partition(";")[0].strip() for kind in accepted}
    return request.query.get("format") == "list" or _LIST_TYPE in kinds


def _stream_name(request: web.Request) -> str:
    try:
        return check_name("stream", request.query.get("stream", "default"))
    except NcsError as error:
        error.field = "query.stream"
        raise


async def _open(request: web.Request, name: str) -> Stream:
    key = StreamKey(principal_of(request).tenant, name)
    return await server_of(request).streams.here(key)


async def _find(request: web.Request) -> Stream | None:
    key = StreamKey(principal_of(request).tenant, _stream_name(request))
    return await server_of(request).streams.look_up(key)

"""`POST /api/v1/shadow`: what other parameters would make of a stream."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiohttp import web
from msgspec import UnsetType
from numpy.typing import NDArray

from ncs_engine import PRESETS, EngineParams
from ncs_protocol import Block, Code, NcsError, as_block, check_name

from ..logs import get_log
from ..shadow import Question, Verdict
from ..store.contracts import StreamKey
from .context import principal_of, read_body, reply, server_of
from .points import cluster_out
from .shapes import (
    ShadowConfiguration,
    ShadowOutcome,
    ShadowReply,
    ShadowRequest,
)

__all__ = ["shadow"]

_LAST_POINTS = 10_000
_TOLD = 200  # clusters of one configuration

log = get_log()


async def shadow(request: web.Request) -> web.Response:
    """Try configurations on points of a stream; the stream is not touched."""
    server, principal = server_of(request), principal_of(request)
    body = await read_body(request, ShadowRequest)
    names = [_name(wanted) for wanted in _wanted(body)]
    question = await _question(request, body)

    def gone() -> bool:
        if server.draining:
            raise NcsError(Code.DRAINING, retry_after_s=1.0)
        return request.transport is None or request.transport.is_closing()

    verdict = await server.shadows.answer(question, gone)
    room = server.limits.max_elements // len(verdict.outcomes)
    told = [
        _told(verdict, at, name, room if body.summaries else 0)
        for at, name in enumerate(["live", *names])
    ]
    log.info(
        "shadow_answered",
        tenant=principal.tenant,
        stream=body.stream,
        by=principal.subject,
        configurations=len(names),
        points=verdict.comparison.in_force.points,
        complete=verdict.complete,
        cpu_ms=round(1000 * verdict.cpu_s, 3),
    )
    return reply(
        ShadowReply(
            stream=body.stream,
            start=body.start,
            first=verdict.first,
            last=verdict.last,
            points=verdict.comparison.in_force.points,
            complete=verdict.complete,
            cpu_seconds=verdict.cpu_s,
            live=told[0],
            configurations=told[1:],
        )
    )


async def _question(request: web.Request, body: ShadowRequest) -> Question:
    """Return what is asked, checked.

    Raises:
        NcsError: for the first rule that is broken.
    """
    server, tenant = server_of(request), principal_of(request).tenant
    key = StreamKey(tenant, check_name("stream", body.stream))
    block = _block(request, body)
    most, last = server.settings.shadow_points, body.last_points
    if last is None:
        last = min(_LAST_POINTS, most) if block is None else 0
    if last > most:
        what = f"last_points is {last}, the limit is {most}"
        raise NcsError(Code.TOO_MANY_POINTS, what, field="last_points")
    return Question(
        key=key,
        stream=await server.streams.look_up(key),
        defaults=server.settings.engine_params,
        tried=[_params(wanted) for wanted in _wanted(body)],
        start=body.start,
        last_points=last,
        block=block,
        truth=_truth(body.labels, block),
    )


def _block(request: web.Request, body: ShadowRequest) -> Block | None:
    limits = server_of(request).limits
    if isinstance(body.points, UnsetType):
        return None if body.array is None else as_block(body.array, limits)
    if body.array is not None:
        raise NcsError(Code.INVALID_MESSAGE, "`points` or `array`, not both")
    return as_block(body.points, limits)


def _truth(
    labels: list[int | str] | None, block: Block | None
) -> NDArray[np.int64] | None:
    if labels is None:
        return None
    if len(labels) != (0 if block is None else len(block)):
        raise NcsError(
            Code.INVALID_MESSAGE,
            f"{len(labels)} labels for {0 if block is None else len(block)} points",
            field="labels",
        )
    numbers: dict[int | str, int] = {}
    found = [numbers.setdefault(label, len(numbers)) for label in labels]
    return np.array(found, np.int64)


def _wanted(body: ShadowRequest) -> list[ShadowConfiguration]:
    one = body.preset is not None or body.params is not None
    if one == bool(body.configurations):
        raise NcsError(
            Code.INVALID_MESSAGE,
            "either `configurations`, or one by `params` and `preset`",
            field="configurations",
        )
    if one:
        params = body.params or {}
        return [ShadowConfiguration(preset=body.preset, params=params)]
    return body.configurations


def _params(wanted: ShadowConfiguration) -> dict[str, Any]:
    """Return what a configuration changes of the parameters in force."""
    preset = wanted.preset
    if preset is not None and preset not in PRESETS:
        what = f"Unknown use case: {preset:.60}; there are {', '.join(PRESETS)}"
        raise NcsError(Code.INVALID_PARAMETER, what, field="preset")
    changes = dict(PRESETS[preset] if preset else {}) | wanted.params
    try:
        EngineParams().replace(**changes)
    except ValueError as error:
        raise NcsError(Code.INVALID_PARAMETER, str(error), field="params") from None
    return changes


def _name(wanted: ShadowConfiguration) -> str:
    values = [f"{name}={value}" for name, value in wanted.params.items()]
    words = [wanted.preset, *values] if wanted.preset else values
    return wanted.name or ", ".join(words)[:128] or "in force"


def _told(verdict: Verdict, at: int, name: str, room: int) -> ShadowOutcome:
    """Return what is told of one side, its clusters within so many coordinates."""
    outcome, figures = verdict.outcomes[at], verdict.figures[at]
    clusters = verdict.clusters[at]
    most = min(_TOLD, room // max(1, outcome.model.engine.dimension or 1))
    largest = sorted(clusters, key=lambda cluster: -cluster.size)[:most]
    return ShadowOutcome(
        name=name,
        params=outcome.model.engine.params.as_dict(),
        tried=outcome.params,
        **{k: v for k, v in figures.items() if k != "points"},
        agreement=outcome.agreement.value,
        truth=None if verdict.truths is None else verdict.truths[at],
        cluster_summaries=[
            cluster_out(c) for c in sorted(largest, key=lambda c: c.cluster_id)
        ],
        clusters_left_out=len(clusters) - len(largest),
    )

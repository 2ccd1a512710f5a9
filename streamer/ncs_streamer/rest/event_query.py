"""From the query of `GET /api/v1/events` to the subscription that it stands for."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from multidict import MultiMapping

from ncs_protocol import Code, NcsError, check_name
from ncs_protocol.messages import Subscribe

__all__ = ["PARAMETERS", "subscription_of"]

_LISTS = frozenset(("events", "clusters", "sample_dimensions"))
_PATHS: dict[str, tuple[str, ...]] = {
    "stream": ("stream",),
    "events": ("events",),
    "max_hz": ("max_hz",),
    "clusters": ("filter", "clusters"),
    "min_severity": ("filter", "min_severity"),
    "epsilon_centroid": ("epsilon", "centroid"),
    "epsilon_size": ("epsilon", "size"),
    "centroids": ("centroids",),
    "sample_max_points": ("sample", "max_points"),
    "sample_dimensions": ("sample", "dimensions"),
    "sample_max_hz": ("sample", "max_hz"),
}
"""Parameter -> the field of `subscribe` that it is."""

PARAMETERS: tuple[tuple[str, str], ...] = (
    ("stream", "Name of the stream; `default` unless given."),
    ("events", "Types wanted, separated by commas; all but samples unless given."),
    ("max_hz", "Most updates a second, of what conflates."),
    ("clusters", "Only what concerns these ids, separated by commas."),
    ("min_severity", "Only drift at least so severe: `low`, `medium` or `high`."),
    ("epsilon_centroid", "Leave out updates of clusters that moved less."),
    ("epsilon_size", "Leave out updates of clusters whose size changed less."),
    ("centroids", "`false` leaves them out."),
    ("sample_max_points", "Most points of a `points_sample`; asks for samples."),
    ("sample_dimensions", "`2`, `3`, or indices such as `0,4`; asks for samples."),
    ("sample_max_hz", "Most samples a second; asks for samples."),
)


def subscription_of(query: MultiMapping[str]) -> Subscribe:
    """Return the subscription that a query asks for; it has no `since` yet.

    Raises:
        NcsError: ``invalid_message``, saying which parameter does not fit.
    """
    fields: dict[str, Any] = {"id": "sse", "type": "subscribe"}
    for name in query:
        values = query.getall(name)
        if len(values) > 1:
            raise _bad(name, "is given more than once")
        *outer, last = _PATHS[name]
        at = fields
        for step in outer:
            at = at.setdefault(step, {})
        at[last] = _value(name, values[0])
    try:
        subscription = msgspec.convert(fields, Subscribe, strict=False)
        check_name("stream", subscription.stream)
        return subscription
    except NcsError as error:
        raise NcsError(error.code, error.detail, field="query.stream") from None
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        place = tuple(re.findall(r"\.(\w+)", path))
        name = next((n for n in query if _PATHS[n] == place), "")
        raise _bad(name, what) from None


def _value(name: str, given: str) -> Any:
    if name not in _LISTS:
        return given
    items = given.split(",")
    if name == "sample_dimensions" and len(items) == 1 and given.isdecimal():
        return int(given)  # so many axes, not the index of one
    return items


def _bad(name: str, why: str) -> NcsError:
    return NcsError(Code.INVALID_MESSAGE, f"{name}: {why}", field=f"query.{name}")

"""Which series exist, with which labels, and what is wrong with an expression."""

from __future__ import annotations

import functools

from prometheus_client.parser import text_string_to_metric_families

from ncs_protocol import Code
from ncs_streamer.metrics import METRICS, Metrics

from .artefacts import rules
from .promql import names_in

_TARGET = frozenset(("job", "instance"))
_ENDS = frozenset(("peer", "broken"))  # connections that ended without a code

_VALUES = {
    "code": frozenset(code.wire for code in Code),
    "reason": frozenset(code.wire for code in Code) | _ENDS,
    "outcome": frozenset(("applied", "duplicate", "refused", "saved", "failed")),
    "job": frozenset(("ncs",)),
}


@functools.cache
def series() -> dict[str, frozenset[str]]:
    """Return every name that a query may use, with its labels."""
    found = {"up": _TARGET} | dict.fromkeys(rules("record"), _TARGET)
    for metric in METRICS:
        for name in metric.series:
            bucket = frozenset(("le",) if name.endswith("_bucket") else ())
            found[name] = _TARGET | bucket | frozenset(metric.labels)
    for family in text_string_to_metric_families(Metrics().exposition().decode()):
        if family.name.startswith(("process_", "python_")):
            for sample in family.samples:
                found[sample.name] = _TARGET | frozenset(sample.labels)
    return found


def problems(expr: str) -> list[str]:
    """Return a sentence for every name in `expr` that would match nothing."""
    known, names = series(), names_in(expr)
    found = [f"no metric {name}" for name in names.metrics - known.keys()]
    for matcher in names.matchers:
        if matcher.label not in known.get(matcher.metric, {matcher.label}):
            found.append(f"{matcher.metric} has no label {matcher.label}")
        values = _VALUES.get(matcher.label)
        for value in matcher.value.split("|"):
            if values is not None and value not in values:
                found.append(f"{matcher.label} is never {value}")
    labels = frozenset[str]().union(*(known.get(m, ()) for m in names.metrics))
    found += [f"nothing has the label {label}" for label in names.grouped - labels]
    return sorted(found)

"""Which metrics and labels a PromQL expression names.

A tokenizer and a walk over its tokens, not a parser: whether the expression is valid is
for promtool and Prometheus to say. This only has to tell a metric's name from all the
other words, and it refuses what it does not know.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""
    (?P<space>\s+ | \#[^\n]*)
  | (?P<string>"(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*`)
  | (?P<duration>(?:\d+(?:ms|[smhdwy]))+(?![\w.]))
  | (?P<number>0[xX][0-9a-fA-F]+ | (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<variable>\$\w+ | \$\{\w+\})
  | (?P<operator>==?~?|=~|!=|!~|>=|<=|[-+*/%^<>=@(){}\[\],:])
    """,
    re.VERBOSE,
)

_OPERATORS = {"and", "or", "unless", "bool", "offset", "atan2"}
_NUMBERS = {"inf", "nan"}
_GROUPINGS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_AGGREGATIONS = {
    "sum", "min", "max", "avg", "count", "topk", "bottomk", "quantile", "stddev",
    "group", "count_values",
}  # fmt: skip
_FUNCTIONS = {
    "abs", "absent", "absent_over_time", "avg_over_time", "ceil", "changes",
    "clamp", "clamp_max", "clamp_min", "count_over_time", "delta", "deriv", "floor",
    "histogram_quantile", "increase", "irate", "label_replace", "last_over_time",
    "max_over_time", "min_over_time", "predict_linear", "quantile_over_time", "rate",
    "resets", "round", "scalar", "sort", "sort_desc", "sum_over_time", "time",
    "timestamp", "vector",
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Matcher:
    """``label="value"`` behind the name of a metric."""

    metric: str
    label: str
    operator: str
    value: str


@dataclasses.dataclass(slots=True)
class Names:
    """What an expression names."""

    metrics: set[str] = dataclasses.field(default_factory=set)
    matchers: list[Matcher] = dataclasses.field(default_factory=list)
    grouped: set[str] = dataclasses.field(default_factory=set)
    """Labels in ``by (...)`` and its kin."""


Token = tuple[str, str]


def names_in(expr: str) -> Names:
    """Return what `expr` names.

    Raises:
        ValueError: for a word or a character that has no place.
    """
    tokens = list(_tokens(expr))
    names = Names()
    at, metric = 0, ""
    while at < len(tokens):
        kind, text = tokens[at]
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        if text == "{":
            at = _matchers(tokens, at, metric, names)
        elif text == "[":
            at = _closing(tokens, at, "]")
        elif kind == "word" and text in _GROUPINGS:
            if following == "(":
                end = _closing(tokens, at, ")")
                inside = tokens[at + 2 : end]
                names.grouped |= {word for kind, word in inside if kind == "word"}
                at = end
        elif kind == "word" and following == "(":
            if text not in _FUNCTIONS | _AGGREGATIONS | _OPERATORS:
                raise ValueError(f"unknown function {text!r} in {expr!r}")
        elif kind == "word" and text in _AGGREGATIONS and following in _GROUPINGS:
            pass
        elif kind == "word" and text.lower() not in _OPERATORS | _NUMBERS:
            names.metrics.add(text)
        metric = text if kind == "word" else ""
        at += 1
    return names


def _tokens(expr: str) -> Iterator[Token]:
    at = 0
    while at < len(expr):
        found = _TOKEN.match(expr, at)
        if found is None:
            raise ValueError(f"unexpected {expr[at]!r} at {at} of {expr!r}")
        at = found.end()
        if found.lastgroup != "space":
            yield str(found.lastgroup), found.group()


def _closing(tokens: list[Token], at: int, bracket: str) -> int:
    while tokens[at][1] != bracket:
        at += 1
    return at


def _matchers(tokens: list[Token], at: int, metric: str, names: Names) -> int:
    """Take the matchers from ``{`` on; return where ``}`` is."""
    if not metric:
        raise ValueError("a selector without the name of a metric")
    end = _closing(tokens, at, "}")
    for place in range(at + 1, end):
        kind, text = tokens[place]
        if kind == "word":
            (_, operator), (_, value) = tokens[place + 1 : place + 3]
            names.matchers.append(Matcher(metric, text, operator, value[1:-1]))
    return end

"""A picture of a stream: its points coloured by the truth, and by the ids at arrival.

Two scatter plots beside each other, as SVG written by hand: it needs no plotting
library, and a browser shows it. The axes are the first two principal components of the
standardised points. A point is drawn in the colour of what was said at its arrival, so
a cluster that was found late has stray colours in it.
"""

from __future__ import annotations

import html
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .labelled import LabelledStream

__all__ = ["OUTLIER_COLOUR", "colour", "draw"]

_POINTS = 2000  # drawn at most, evenly spaced
_SIDE, _MARGIN, _TOP = 420, 12, 44  # pixels
OUTLIER_COLOUR = "#999"
"""Of points in no cluster."""
_GOLDEN_ANGLE = 137.508  # degrees: neighbouring numbers get far hues


def draw(stream: LabelledStream, ids: NDArray[np.int64], title: str) -> str:
    """Return an SVG document.

    Args:
        stream: what to draw, as far as it was scored.
        ids: int64 (n,): the cluster given to each of its points at arrival.
        title: one line.
    """
    step = -(-len(stream.points) // _POINTS)
    places = _project(stream.points)[::step]
    width = 2 * _SIDE + 3 * _MARGIN
    height = _SIDE + _TOP + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{_MARGIN}" y="18" font-weight="bold">{html.escape(title)}</text>',
    ]
    panels = (("truth", stream.truth), ("ids at arrival", ids))
    for number, (name, labels) in enumerate(panels):
        left = _MARGIN + number * (_SIDE + _MARGIN)
        parts += _panel(name, places, labels[::step], left)
    return "\n".join([*parts, "</svg>", ""])


def _project(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return float64 (n, 2) in [0, 1]: principal components, without the far 1 %."""
    centred = points - points.mean(axis=0, dtype=np.float64)
    deviation = centred.std(axis=0)
    scaled = centred / np.where(deviation > 0, deviation, 1.0)
    _, axes = np.linalg.eigh(scaled.T @ scaled)
    places = scaled @ axes[:, ::-1][:, :2]
    if places.shape[1] == 1:
        places = np.column_stack([places, np.zeros(len(places))])
    low, high = np.percentile(places, (0.5, 99.5), axis=0)
    span = np.where(high > low, high - low, 1.0)
    inside: NDArray[np.float64] = (places - low) / span * 0.92 + 0.04
    return inside.clip(0.0, 1.0)


def _panel(
    name: str, places: NDArray[np.float64], labels: NDArray[np.int64], left: int
) -> Iterator[str]:
    known, numbers = np.unique(labels, return_inverse=True)
    count = int((known >= 0).sum())
    yield f'<text x="{left}" y="37">{name}: {count} labels</text>'
    yield (
        f'<rect x="{left}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}"'
        ' fill="none" stroke="#ccc"/>'
    )
    for place, label, number in zip(places, labels, numbers, strict=True):
        x, y = left + _SIDE * place[0], _TOP + _SIDE * (1.0 - place[1])
        fill = colour(int(number)) if label >= 0 else OUTLIER_COLOUR
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{fill}"/>'


def colour(number: int) -> str:
    """Return the colour of the `number`-th label, as CSS."""
    lightness = (45, 60, 35)[number // 12 % 3]
    return f"hsl({number * _GOLDEN_ANGLE % 360:.0f},70%,{lightness}%)"

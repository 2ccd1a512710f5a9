"""Draw the pictures of docs/algorithm.md, from real runs: `make pictures`.

Each is an SVG written by hand and the same on every run. What they show is read off
the engine's own model; nothing is drawn that it does not compute.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncs_engine import Engine, LearnResult
from ncs_engine.model import Model
from ncs_engine.tree import Tree
from ncs_engine.valley import profiles
from ncs_streamer.bench.generators import generate
from ncs_streamer.bench.pictures import OUTLIER_COLOUR, colour

FOLDER = Path(__file__).resolve().parent / "pictures"
POINTS = 8000  # learned
DRAWN = 1500  # of them, the last ones
SIDE, GAP, TOP = 290, 16, 30  # pixels

Floats = NDArray[np.float64]


def main() -> int:
    """Draw all of them, or count; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--counts", action="store_true", help="count clusters with ten seeds instead"
    )
    if parser.parse_args().counts:
        for name, make in SHAPES.items():
            print(f"{name}: {' '.join(str(count) for count in counts(make))}")
        return 0
    FOLDER.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        path = FOLDER / f"{name}.svg"
        path.write_text(draw())
        print(f"written: {path.relative_to(FOLDER.parent.parent)}")
    return 0


# The streams


def unequal(rng: np.random.Generator) -> Floats:
    """Return float64 (n, 2): four blobs, of 60, 25, 12 and 3 % of the points."""
    at = np.array([[0.0, 0.0], [16.0, 3.0], [6.0, 13.0], [15.0, 14.0]])
    size = np.array([3.0, 1.6, 0.9, 0.5])
    which = rng.choice(4, size=POINTS, p=[0.6, 0.25, 0.12, 0.03])
    return np.asarray(at[which] + rng.normal(size=(POINTS, 2)) * size[which, None])


def rings(rng: np.random.Generator) -> Floats:
    """Return float64 (n, 2): two rings, one in the other, and a blob in the middle."""
    which = rng.choice(3, size=POINTS, p=[0.1, 0.3, 0.6])
    radius = np.array([0.0, 5.0, 10.0])[which] + rng.normal(size=POINTS) * 0.4
    angle = rng.uniform(0.0, 2 * np.pi, POINTS)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def windows(rng: np.random.Generator) -> Floats:
    """Return float64 (n, 2): nine uniform squares with narrow bars between them."""
    pane = rng.integers(3, size=(POINTS, 2))
    return np.asarray(rng.uniform(0.0, 1.0, (POINTS, 2)) + 1.35 * pane)


def pair(rng: np.random.Generator) -> Floats:
    """Return float64 (n, 3): two blobs that are 3.5 standard deviations apart."""
    at = np.array([[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]]) * 3.5 / np.sqrt(12.0)
    return np.asarray(at[rng.integers(2, size=POINTS)] + rng.normal(size=(POINTS, 3)))


def single(rng: np.random.Generator) -> Floats:
    """Return float64 (n, 3): one blob."""
    return rng.normal(size=(POINTS, 3))


SHAPES: dict[str, Callable[[np.random.Generator], Floats]] = {
    "unequal blobs": unequal,
    "rings": rings,
    "windows": windows,
}


def counts(make: Callable[[np.random.Generator], Floats]) -> Iterator[int]:
    """Yield the number of clusters found with each of ten seeds."""
    for seed in range(10):
        engine = Engine()
        engine.learn(make(np.random.default_rng(seed)))
        yield engine.cluster_count


def convoy(rng: np.random.Generator) -> Floats:
    """Return float64 (n, 2): two blobs that move one behind the other."""
    n = 6000
    way = 4.5 * rng.integers(2, size=n) + np.arange(n) / 1000.0 + rng.normal(size=n)
    return np.stack([way, rng.normal(size=n)], axis=1)


# The pictures


def clusters() -> str:
    """Return three streams in the colours of the clusters found in them."""
    parts: list[str] = []
    for number, (name, make) in enumerate(SHAPES.items()):
        points = make(np.random.default_rng(0))
        engine = Engine()
        engine.learn(points)
        drawn = points[-DRAWN:]
        ids = engine.predict(drawn).cluster_ids
        left = GAP + number * (SIDE + GAP)
        parts += frame(left, f"{name}: {engine.cluster_count} clusters found")
        parts += dots(inside(drawn), ids, left)
    return document(3 * (SIDE + GAP) + GAP, parts)


def evidence() -> str:
    """Return the evidence for every number of clusters, for three streams."""
    found = {"5 blobs": "blobs_k5_d2", "20 blobs": "blobs_k20_d10"}
    curves = {name: tree_of(generate(s).points)[1] for name, s in found.items()}
    curves["one blob"] = tree_of(single(np.random.default_rng(0)))[1]
    most, width = 40, 3 * (SIDE + GAP) - GAP
    parts = frame(GAP, "evidence / its highest, by number of clusters", width)
    scale = SIDE / 2.4
    zero = TOP + 1.2 * scale
    parts.append(line(GAP, zero, GAP + width, zero, "#bbb"))
    for number, (name, tree) in enumerate(curves.items()):
        values = tree.evidence[:most]
        top = max(float(np.abs(values).max()), 1e-9)
        at = GAP + width * (np.arange(len(values)) + 0.5) / most
        high = zero - scale * values / top
        parts += curve(at, high, colour(number))
        peak = int(tree.evidence.argmax())
        label = f"{name}: highest at {peak + 1}"
        parts.append(text(GAP + width - 160, zero + 24 + 20 * number, label, number))
        parts.append(ring(at[peak], high[peak], number))
    for k in (1, 5, 10, 20, 30, 40):
        x = GAP + width * (k - 0.5) / most
        parts.append(text(x - 6, TOP + SIDE + 16, str(k)))
    return document(width + 2 * GAP, parts, TOP + SIDE + 24)


def projection() -> str:
    """Return the density between the two sides of the last merge of two trees."""
    parts: list[str] = []
    width = round(1.5 * SIDE)
    streams = {"two blobs": pair, "one blob, cut by Ward": single}
    for number, (name, make) in enumerate(streams.items()):
        model, tree = tree_of(make(np.random.default_rng(0)))
        a, b = children(tree, 2 * len(tree.evidence) - 2)
        _, density = profiles(tree.crowds, a, b)
        depth, least = float(tree.valleys(a, b)[0]), model.vigilance.valley
        left = GAP + number * (width + GAP)
        verdict = f"below {least:.2f}: two" if depth < least else "no valley: one"
        parts += frame(left, f"{name}: density {depth:.2f}, {verdict}", width)
        parts += profile(density[0], left, width)
    return document(2 * (width + GAP) + GAP, parts)


def ids() -> str:
    """Return which ids were given when, while clusters are born and die."""
    stream = generate("births_and_deaths")
    result = Engine().learn(stream.points)
    width, height = 3 * (SIDE + GAP) - GAP, SIDE
    parts = frame(GAP, "births and deaths: cluster ids by time", width)
    n = len(stream.points)
    for change in stream.drift_points:
        x = GAP + width * change / n
        parts.append(line(x, TOP, x, TOP + height, "#ccc"))
    parts += id_rows(result, width, height)
    for at in range(0, n + 1, 1500):
        parts.append(
            text(
                GAP + width * at / n - 18 * bool(at) - 14 * (at == n),
                TOP + height + 16,
                f"{at:,}",
            )
        )
    return document(width + 2 * GAP, parts, TOP + height + 24)


def motion() -> str:
    """Return where points of two moving blobs were, in the colours of their ids."""
    points = convoy(np.random.default_rng(0))
    result = Engine().learn(points)
    width = 3 * (SIDE + GAP) - GAP
    time = np.linspace(0.01, 0.99, len(points)) * width / SIDE
    place = np.stack([time, inside(points)[:, 0]], axis=1)
    parts = frame(GAP, "position on the way, by time", width)
    parts += dots(place, result.cluster_ids, GAP)
    return document(width + 2 * GAP, parts)


PICTURES = {
    "clusters": clusters,
    "evidence": evidence,
    "projection": projection,
    "ids": ids,
    "motion": motion,
}


# What they are read off


def tree_of(points: NDArray[Any]) -> tuple[Model, Tree]:
    """Return the model after a stream, and the tree over its micro-clusters."""
    engine = Engine()
    engine.learn(points)
    model = engine._model
    assert model is not None
    micro, m = model.micro, model.micro.count
    centres, spread = micro.centres[:, :m].T.copy(), micro.spread[:, :m].T.copy()
    tree = Tree(centres, spread, micro.weight[:m], model.vigilance.valley)
    return model, tree


def children(tree: Tree, node: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the two nodes that were merged into `node`, int64 (1,) each."""
    both = np.flatnonzero(tree._parent == node)
    return both[:1], both[1:]


# The drawing


def document(width: int, parts: list[str], height: int = TOP + SIDE + GAP) -> str:
    """Return an SVG document."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">'
    )
    note = "<!-- Drawn by docs/pictures.py: make pictures -->"
    ground = f'<rect width="{width}" height="{height}" fill="#fff"/>'
    return "\n".join([note, head, ground, *parts, "</svg>", ""])


def frame(left: int, title: str, width: int = SIDE) -> list[str]:
    """Return a titled frame."""
    return [
        text(left, TOP - 9, title),
        f'<rect x="{left}" y="{TOP}" width="{width}" height="{SIDE}" fill="none"'
        ' stroke="#ccc"/>',
    ]


def text(x: float, y: float, words: str, number: int | None = None) -> str:
    """Return words, in the colour of a label if it is given."""
    fill = "#222" if number is None else colour(number)
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}">{words}</text>'


def line(x1: float, y1: float, x2: float, y2: float, stroke: str) -> str:
    """Return a line."""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        f' stroke="{stroke}"/>'
    )


def ring(x: float, y: float, number: int) -> str:
    """Return a small open circle."""
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="none"'
        f' stroke="{colour(number)}" stroke-width="2"/>'
    )


def curve(x: Floats, y: Floats, stroke: str) -> list[str]:
    """Return a line through the places."""
    places = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return [
        f'<polyline points="{places}" fill="none" stroke="{stroke}" stroke-width="2"/>'
    ]


def inside(points: Floats) -> Floats:
    """Return float64 (n, 2) in [0.04, 0.96], both axes to the same scale."""
    low, high = points.min(axis=0), points.max(axis=0)
    span = float((high - low).max())
    places: Floats = 0.5 + (points - (low + high) / 2) / span * 0.92
    return places


def dots(places: Floats, labels: NDArray[np.int64], left: int) -> Iterator[str]:
    """Yield the points in the colours of their labels."""
    known = np.unique(labels[labels >= 0]).tolist()
    for number, label in [*enumerate(known), (-1, -1)]:
        own = places[labels == label]
        at = np.stack([left + SIDE * own[:, 0], TOP + SIDE * (1.0 - own[:, 1])], axis=1)
        stroke = colour(number) if label >= 0 else OUTLIER_COLOUR
        yield (
            f'<path d="{"".join(f"M{x:.1f} {y:.1f}h0" for x, y in at)}"'
            f' stroke="{stroke}" stroke-width="4" stroke-linecap="round"/>'
        )


def profile(density: Floats, left: int, width: int) -> list[str]:
    """Return a density along an axis, with the two means and the lowest place."""
    x = left + width * (np.linspace(0.0, 1.0, len(density)) * 0.94 + 0.03)
    y = TOP + SIDE * (0.97 - 0.9 * density / density.max())
    # The means are a quarter of the way from the ends, in a grid of 1.5 of the way.
    means = [left + width * (share * 0.94 + 0.03) for share in (1 / 6, 5 / 6)]
    parts = [line(mean, TOP, mean, TOP + SIDE, "#ddd") for mean in means]
    parts += curve(x, y, colour(0))
    rise = np.minimum(
        np.maximum.accumulate(density), np.maximum.accumulate(density[::-1])[::-1]
    )
    lowest = 6 + int((density[6:26] / rise[6:26]).argmin())
    level = TOP + SIDE * (0.97 - 0.9 * rise[lowest] / density.max())
    if density[lowest] == rise[lowest]:
        return parts  # no valley
    parts.append(line(x[lowest], y[lowest], x[lowest], level, colour(1)))
    parts.append(line(left, level, left + width, level, "#eee"))
    return [*parts, ring(x[lowest], y[lowest], 1)]


def id_rows(result: LearnResult, width: int, height: int) -> Iterator[str]:
    """Yield a bar per id, outliers at the bottom, reports of drift as triangles."""
    known = [i for i in np.unique(result.cluster_ids).tolist() if i >= 0]
    n, rows = len(result.cluster_ids), len(known) + 2
    for row, cluster in enumerate([-1, *known]):
        y = TOP + height * (1 - (row + 0.7) / rows)
        at = np.unique(width * np.flatnonzero(result.cluster_ids == cluster) // n) + GAP
        if not len(at):
            continue
        stroke = OUTLIER_COLOUR if cluster < 0 else colour(row - 1)
        d = "".join(f"M{x} {y:.1f}h1" for x in at.tolist())
        yield f'<path d="{d}" stroke="{stroke}" stroke-width="4"/>'
        name = "outliers" if cluster < 0 else str(cluster)
        yield text(at[0] + 3, y - 5, name)
    for drift in result.drift:
        x = GAP + width * drift.at / n
        yield f'<path d="M{x:.1f} {TOP + 12}l-5 -9h10z" fill="#c22"/>'


if __name__ == "__main__":
    sys.exit(main())

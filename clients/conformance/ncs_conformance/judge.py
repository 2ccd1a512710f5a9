"""What holds in every scenario, whatever was done: judged when it is over.

From three books that know nothing of each other: what the driver reported, what went
over the line, and the server's own journal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from ncs_client.errors import close_is_final

from .run import Run
from .wire import Wire

__all__ = ["judge"]


def judge(run: Run) -> list[str]:
    """Return what was wrong, in words."""
    return [
        *_points(run),
        *_events(run.driver.said),
        *_greeting(run.wire),
        *_credit(run.wire),
        *_coming_back(run.wire),
    ]


def _points(run: Run) -> Iterator[str]:
    """Yield where acks and journal differ: each point that was acked is there once."""
    rows = run.server.rows(run.stream)
    outcomes = run.outcomes()
    for tag, batch in run.batches.items():
        outcome = outcomes.get(tag, {"tell": "never settled"})
        what = outcome["tell"]
        if what not in ("acked", "refused", "lost"):
            yield f"batch {tag} was {what}"
        if batch.is_gone:
            continue
        counts = {rows[tuple(map(float, point))] for point in batch.points}
        fine = {"acked": ({1},), "refused": ({0},)}.get(what, ({0}, {1}))
        if counts not in fine:
            yield f"batch {tag} was {what}, its points are {counts} times in the model"
        if what == "acked" and outcome["accepted"] != len(batch.points):
            yield f"batch {tag}: accepted is {outcome['accepted']}"


def _events(said: list[dict[str, Any]]) -> Iterator[str]:
    """Yield where events that were given do not follow each other."""
    epoch, at = None, dict[str, int]()
    for event in (s for s in said if s["tell"] == "event"):
        kind, place = event["type"], f"{event['epoch']} {event.get('class', '')}"
        if kind == "snapshot":
            epoch, at = event["epoch"], dict(event["offsets"])
        elif kind == "resumed":
            for name in ("lossless", "keyed"):
                if (event["epoch"], event["offsets"].get(name, 0)) != (
                    epoch, at.get(name, 0),
                ):  # fmt: skip
                    yield f"resumed at {event['offsets']}, and was at {at}"
            at = dict(event["offsets"])
        else:
            told = at.get(event["class"], 0)
            if event["epoch"] != epoch or event["from"] != told + 1:
                yield f"{place} {event['from']} came after {told} of {epoch}"
            at[event["class"]] = event["to"]


def _greeting(wire: Wire) -> Iterator[str]:
    """Yield connections that began with anything but `hello`."""
    begun = set()
    for passage in wire.passages:
        if passage.to == "server" and passage.connection not in begun:
            begun.add(passage.connection)
            if passage.message["type"] != "hello":
                yield f"a connection began with {passage.message['type']}"


def _credit(wire: Wire) -> Iterator[str]:
    """Yield frames that went out without credit; one alone always may."""
    most: dict[int, int] = defaultdict(int)
    flying: dict[int, dict[int, int]] = defaultdict(dict)
    for passage in wire.passages:
        number, message = passage.connection, passage.message
        match message["type"]:
            case "welcome":
                most[number] = message["credit"]
            case "ack" if "credit" in message:  # else a line said it that lies
                most[number] = max(most[number], message["credit"])
                for seq in [s for s in flying[number] if s <= message["seq"]]:
                    del flying[number][seq]
            case "error" if "seq" in message:
                flying[number].pop(message["seq"], None)
            case "points":
                flying[number].pop(message["seq"], None)
                size = sum(flying[number].values()) + passage.size
                if flying[number] and size > most[number]:
                    yield f"{size} bytes in flight, and the credit was {most[number]}"
                flying[number][message["seq"]] = passage.size


def _coming_back(wire: Wire) -> Iterator[str]:
    """Yield attempts to connect that were too early, or after the end."""
    for closing in wire.closings:
        is_final = closing.by == "server" and close_is_final(closing.code)
        if is_final and len(wire.attempts) > closing.attempts:
            yield f"it came back after {closing.code}"
    for passage in wire.passages:
        if passage.message["type"] == "draining":
            later = [at for at in wire.attempts if at > passage.at]
            wait = passage.message["reconnect_after_ms"] / 1000
            # A timer may be a millisecond early.
            if later and later[0] < passage.at + wait - 0.002:
                waited = later[0] - passage.at
                yield f"it came back {waited:.3f} s after draining said {wait}"

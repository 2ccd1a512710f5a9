"""Readers of every kind, over lines of every kind, have the server's model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from link import MemoryServer, principal
from msgspec.structs import replace
from properties import examples

from ncs_client.core import ClientCore, Incoming, Reader, Wanted
from ncs_client.view import ClusterView
from ncs_protocol import JSON, MSGPACK
from ncs_protocol.messages import (
    ClusterInfo,
    ClusterUpdateEvent,
    Epsilon,
    Event,
    EventFilter,
    Points,
    Sample,
    ServerMessage,
    Skip,
    Subscribed,
)
from ncs_streamer.entry import Entry

pytestmark = pytest.mark.unit

FAR = 0.5
SHARE = 0.2
BLOCKED = 2**30
Model = dict[int, ClusterInfo]
WANTED = {
    "all": Wanted(),
    "slowly": Wanted(max_hz=0.5),
    "two clusters": Wanted(filter=EventFilter(clusters=[0, 2])),
    "large moves": Wanted(epsilon=Epsilon(centroid=FAR)),
    "large moves slowly": Wanted(epsilon=Epsilon(centroid=FAR), max_hz=0.5),
    "two clusters, large moves, slowly": Wanted(
        filter=EventFilter(clusters=[0, 2]), epsilon=Epsilon(centroid=FAR), max_hz=0.5
    ),
    "clusters only": Wanted(events=["cluster_update"], centroids=False),
    "growth": Wanted(epsilon=Epsilon(size=SHARE)),
    "growth or large moves, slowly": Wanted(
        epsilon=Epsilon(size=SHARE, centroid=FAR), max_hz=0.5
    ),
    "severe drift": Wanted(filter=EventFilter(min_severity="high")),
    "points too": Wanted(sample=Sample(max_points=5)),
    "points too, slowly, of one cluster": Wanted(
        sample=Sample(max_points=5, dimensions=[0, 1]),
        filter=EventFilter(clusters=[1]),
        max_hz=0.5,
    ),
}


class Dashboard:
    """A reader behind a line that can be blocked or cut, with or without credit."""

    def __init__(self, server: MemoryServer, kind: str, credit: int | None) -> None:
        self.server = server
        self.wanted = WANTED[kind]
        self.core = ClientCore("TOKEN", "reader", 0, [], credit)
        self.view = ClusterView()
        self.reader = Reader("", "s", self.wanted, self.take, self.fail)
        self.codec = MSGPACK if credit else JSON
        self.lossless: list[int] = []  # offsets, in the order in which they came
        self.unread = 0
        self.told: dict[str, int] = {}
        self.core.subscribe(self.reader)
        self.connect()

    def connect(self) -> None:
        self.unread = 0
        self.link = self.server.connect(self.codec)
        for message in self.core.connected():
            self.link.send_frame(self.codec.encode(message))

    def cut(self) -> None:
        self.link.drop()
        self.connect()

    def fail(self, error: Exception) -> None:
        raise error

    def take(self, message: Incoming) -> None:
        self.view.apply(message)
        if isinstance(message, Subscribed):
            # What it was told to have missed is no loss.
            self.lossless = list(range(1, message.offsets["lossless"] + 1))
        elif isinstance(message, ClusterUpdateEvent):
            if message.delivery == "lossless":
                assert message.offset not in self.lossless
                self.lossless.append(message.offset or 0)

    def receive(self) -> None:
        """Take what the line has let through."""
        frames, self.link.transport.sent = self.link.transport.sent, []
        for frame in frames:
            message: ServerMessage = self.codec.decode_server(frame)
            self.follow(message)
            for answer in self.core.receive(message):
                self.link.send_frame(self.codec.encode(answer))
            if getattr(message, "stream", None) == "s":
                self.unread += len(frame)

    def follow(self, message: ServerMessage) -> None:
        """Check that a message goes on exactly where the one before ended."""
        if isinstance(message, Subscribed):
            self.told = dict(message.offsets)
        elif isinstance(message, Skip | Event):
            skips = isinstance(message, Skip)
            first, last = (
                (message.from_, message.to) if skips else (message.first, message.last)
            )
            assert first == self.told[message.delivery] + 1
            assert last >= first
            self.told[message.delivery] = last

    def read(self) -> None:
        """Read what was taken, and give credit for it."""
        size, self.unread = self.unread, 0
        for answer in self.core.read(size):
            self.link.send_frame(self.codec.encode(answer))

    def catch_up(self) -> bool:
        """Take and read what there is; return whether there was anything."""
        has_come = bool(self.link.sent)
        self.receive()
        self.read()
        return has_come

    def block(self, blocked: bool) -> None:
        self.link.transport.buffered = BLOCKED if blocked else 0

    def check(self, clusters: dict[int, ClusterInfo]) -> None:
        """Check the copy against the server's clusters, in every field."""
        only = self.wanted.filter.clusters if self.wanted.filter else None
        model = {id: c for id, c in clusters.items() if only is None or id in only}
        if not self.wanted.centroids:
            model = {id: replace(c, centroid=None) for id, c in model.items()}
        if self.wanted.epsilon is None:
            assert self.view.clusters == model
            return
        assert self.view.clusters.keys() == model.keys()
        for id, actual in model.items():
            self.check_is_near(self.view.clusters[id], actual, self.wanted.epsilon)

    def check_is_near(
        self, copy: ClusterInfo, actual: ClusterInfo, epsilon: Epsilon
    ) -> None:
        if epsilon.size is not None:
            assert abs(actual.size - copy.size) <= epsilon.size * copy.size
        if epsilon.centroid is not None:
            assert copy.centroid is not None
            assert actual.centroid is not None
            assert math.dist(copy.centroid, actual.centroid) <= epsilon.centroid

    def check_is_exact(self, models: dict[tuple[int, int], Model], now: Model) -> None:
        """Check the copy if the model has ever stood where it stands.

        Which clusters there are is in the copy exactly. So is each of them, unless it
        has changed again since: of several updates that wait the last one is told, in
        its own place, so in between the copy may have the state before all of them.
        """
        position = self.view.position
        if position is not None and self.wanted.epsilon is None:
            offsets = position.offsets
            model = models.get((offsets["lossless"], offsets["keyed"]))
            if model is not None:
                again = {id for id in model if now.get(id) != model[id]}
                has = self.view.clusters
                self.check(model | {id: has[id] for id in again & has.keys()})


class Plant:
    """A server, one sender, and dashboards."""

    def __init__(self, kinds: list[tuple[str, int | None]]) -> None:
        self.server = MemoryServer({"TOKEN": principal()})
        self.server.tells_at_once = False
        self.sender = self.server.connect(credential=principal())
        self.seq = 0
        self.kinds = kinds
        self.models: dict[tuple[int, int], Model] = {(0, 0): {}}
        self.dashboards = [Dashboard(self.server, *kind) for kind in kinds]

    def join(self, number: int) -> None:
        if len(self.dashboards) < 8:
            kind = self.kinds[number % len(self.kinds)]
            self.dashboards.append(Dashboard(self.server, *kind))

    def one(self, number: int) -> Dashboard:
        return self.dashboards[number % len(self.dashboards)]

    def push(self, number: int) -> None:
        self.seq += 1
        near, far = number % 7, 10.0 * (number % 5)
        points = [[far + 0.1 * near, far], [0.3 * near, 0.1], [far, -far - near]]
        self.sender.send(Points(seq=self.seq, stream="s", points=points))
        self.note_model()

    def push_far_off(self, number: int) -> None:
        """Push what may be nobody's: outliers, which touch no cluster."""
        self.seq += 1
        points = [[1e3 * number, -1e3 * number]]
        self.sender.send(Points(seq=self.seq, stream="s", points=points))
        self.note_model()

    def reset(self) -> None:
        entry = Entry(kind="reset", ingest_ns=round(self.server.now * 1e9))
        self.server.stream("acme", "s").submit(entry)
        self.note_model()

    @property
    def clusters(self) -> Model:
        """What the server has."""
        view = self.server.stream("acme", "s").model.view()
        return {cluster.cluster_id: cluster for cluster in view.clusters}

    def note_model(self) -> None:
        """Keep what the server has where it stands; it changes only with an event."""
        view = self.server.stream("acme", "s").model.view()
        known = self.models.setdefault((view.lossless, view.keyed), self.clusters)
        assert known == self.clusters

    def check_exactness(self) -> None:
        for dashboard in self.dashboards:
            dashboard.check_is_exact(self.models, self.clusters)

    def wait(self, seconds: float) -> None:
        self.server.wait(seconds)
        for dashboard in self.dashboards:
            dashboard.link.tick()
            if dashboard.link.closed is not None:
                dashboard.connect()

    def settle(self) -> None:
        for dashboard in self.dashboards:
            dashboard.block(False)
        for _ in range(3):
            self.wait(2.5)
            while any([dashboard.catch_up() for dashboard in self.dashboards]):
                self.wait(0.0)

    def check(self) -> None:
        model = self.server.stream("acme", "s").model
        clusters = self.clusters
        for dashboard in self.dashboards:
            assert dashboard.reader.gaps == 0
            dashboard.check(clusters)
            told = dashboard.lossless
            assert told == sorted(told)
            if dashboard.wanted.filter is None and dashboard.wanted.events is None:
                assert told == list(range(1, model.lossless + 1))


STEPS: dict[str, Callable[[Plant, int], Any]] = {
    "push": Plant.push,
    "push far off": Plant.push_far_off,
    "receive": lambda plant, n: plant.one(n).receive(),
    "read": lambda plant, n: plant.one(n).read(),
    "cut": lambda plant, n: plant.one(n).cut(),
    "block": lambda plant, n: plant.one(n).block(True),
    "unblock": lambda plant, n: plant.one(n).block(False),
    "join": Plant.join,
    "reset": lambda plant, n: plant.reset(),
    "wait": lambda plant, n: plant.wait(0.1),
    "receive all": lambda plant, n: [d.receive() for d in plant.dashboards],
    "wait long": lambda plant, n: plant.wait(6.0),
    "wait for ever": lambda plant, n: plant.wait(70.0),
}
kinds = st.lists(
    st.tuples(st.sampled_from(sorted(WANTED)), st.sampled_from([None, 600, 5000])),
    min_size=1,
    max_size=4,
)
often = ["push", "wait", "receive all"]
steps = st.lists(
    st.tuples(
        st.sampled_from([*often, *often, *often, *sorted(STEPS)]), st.integers(0, 34)
    ),
    min_size=20,
    max_size=80,
)


@examples(150)
@given(kinds, steps)
def test_the_copy_of_every_reader_becomes_the_model_and_lossless_events_come_once(
    kinds: list[tuple[str, int | None]], steps: list[tuple[str, int]]
) -> None:
    plant = Plant(kinds)
    plant.push(3)
    for name, number in steps:
        STEPS[name](plant, number)
        plant.check_exactness()
    plant.push(8)
    plant.settle()
    plant.check()

"""Samples of points between hub and reader: who gets which, and with which axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ncs_protocol import JSON, MSGPACK, Codec
from ncs_protocol.messages import (
    EventTimes,
    PointsSample,
    PointsSampleEvent,
    Projection,
    Sample,
    Skip,
)

from .test_hub import Reader, Stage

pytestmark = pytest.mark.unit

FLAT, SOLID = Sample(), Sample(dimensions=3)


def publish(stage: Stage, version: int = 1, options: Sample = FLAT) -> None:
    """Publish a sample of one point, and flush."""
    axes = 2 if options is FLAT else 3
    projection = Projection(
        version=version,
        method="pca",
        mean=np.zeros(4, np.float32),
        components=np.ones((axes, 4), np.float32),
    )
    sample = PointsSample(
        points=np.ones((1, axes), np.float32),
        cluster_ids=np.array([7], np.int32),
        is_outlier=np.array([0], np.uint8),
        learned=10,
        ratio=0.1,
        projection_version=version,
        projection=projection,
    )
    stage.hub.publish_sample(options, sample, EventTimes(ingest=1.0, emitted=2.0))
    stage.flush()


def samples(reader: Reader) -> list[Any]:
    return [m for m in reader.sent if isinstance(m, PointsSampleEvent)]


def with_axes(reader: Reader) -> list[bool]:
    """Return of each sample whether the projection came with it."""
    return [sample.data.projection is not None for sample in samples(reader)]


@pytest.mark.parametrize("codec", [JSON, MSGPACK])
def test_a_reader_that_asks_for_samples_gets_them(codec: Codec) -> None:
    stage = Stage()
    reader = stage.follow(sample=FLAT, codec=codec)
    publish(stage)
    (event,) = samples(reader)
    assert ("sampled", 1) == (event.delivery, event.offset)
    assert [[1.0, 1.0]] == event.data.points.tolist()
    assert [7] == event.data.cluster_ids.tolist()


def test_to_name_the_event_is_enough() -> None:
    stage = Stage()
    reader = stage.follow(events=("points_sample",))
    publish(stage, options=Sample())
    assert 1 == len(samples(reader))


def test_who_did_not_ask_for_them_gets_none() -> None:
    stage = Stage()
    plain, sampled = (
        stage.follow(events=("drift_detection",)),
        stage.follow(sample=FLAT),
    )
    publish(stage)
    stage.drift()
    assert (0, 1) == (len(samples(plain)), len(samples(sampled)))


def test_each_reader_gets_the_kind_that_it_asked_for() -> None:
    stage = Stage()
    flat, solid = stage.follow(sample=FLAT), stage.follow(sample=SOLID)
    publish(stage, options=FLAT)
    publish(stage, options=SOLID)
    publish(stage, options=FLAT)
    widths = [[s.data.points.shape[1] for s in samples(r)] for r in (flat, solid)]
    assert [[2, 2], [3]] == widths


def test_offsets_go_on_without_a_gap_whoever_reads_what() -> None:
    stage = Stage()
    flat, solid = stage.follow(sample=FLAT), stage.follow(sample=SOLID)
    for options in (FLAT, FLAT, SOLID, FLAT, SOLID):
        publish(stage, options=options)
    for reader in (flat, solid):
        told = 0
        for event in reader.sent[1:]:
            first = event.from_ if isinstance(event, Skip) else event.first
            assert told + 1 == first
            told = event.to if isinstance(event, Skip) else event.last


def test_the_projection_comes_once_and_again_when_it_changes() -> None:
    stage = Stage()
    reader = stage.follow(sample=FLAT)
    for version in (1, 1, 2, 2, 2):
        publish(stage, version)
    assert [True, False, True, False, False] == with_axes(reader)
    assert [1, 1, 2, 2, 2] == [s.data.projection_version for s in samples(reader)]


def test_who_comes_later_gets_the_projection_too() -> None:
    stage = Stage()
    stage.follow(sample=FLAT)
    publish(stage)
    late = stage.follow(sample=FLAT)
    publish(stage)
    publish(stage)
    assert [True, False] == with_axes(late)


def test_a_slow_reader_never_has_points_without_their_projection() -> None:
    stage = Stage()
    reader = stage.follow(sample=FLAT)
    publish(stage, 1)
    reader.transport.buffered = 10**6
    for version in (2, 2, 3):
        publish(stage, version)
    reader.transport.buffered = 0
    reader.outgoing.attend(0.0)
    stage.flush()
    publish(stage, 3)
    publish(stage, 3)
    known = set()
    for event in samples(reader):
        if event.data.projection is not None:
            known.add(event.data.projection.version)
        assert event.data.projection_version in known
    assert 3 == event.data.projection_version
    assert [1, 4, 5, 6] == [e.last for e in samples(reader)]


def test_readers_in_step_share_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    readers = [stage.follow(sample=FLAT) for _ in range(5)]
    publish(stage)
    encoded = []
    encode = JSON.encode
    monkeypatch.setattr(JSON, "encode", lambda m: encoded.append(m) or encode(m))
    publish(stage)
    assert 1 == len(encoded)
    assert all(2 == len(samples(reader)) for reader in readers)

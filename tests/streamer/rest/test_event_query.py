from __future__ import annotations

from typing import Any

import pytest
from multidict import MultiDict

from ncs_protocol import Code, NcsError
from ncs_protocol.messages import Epsilon, EventFilter, Sample, Subscribe
from ncs_streamer.rest.event_query import PARAMETERS, subscription_of

pytestmark = pytest.mark.unit


def asked(**query: str) -> Subscribe:
    return subscription_of(MultiDict(query))


def test_without_parameters_it_is_the_plain_subscription() -> None:
    assert Subscribe(id="sse") == asked()


def test_every_option_of_a_subscription_has_its_parameter() -> None:
    expected = Subscribe(
        id="sse",
        stream="line-1",
        events=["cluster_update", "points_sample"],
        max_hz=2.5,
        filter=EventFilter(clusters=[3, 4], min_severity="medium"),
        epsilon=Epsilon(centroid=0.5, size=0.1),
        centroids=False,
        sample=Sample(max_points=100, dimensions=(0, 4), max_hz=10.0),
    )
    query = {
        "stream": "line-1",
        "events": "cluster_update,points_sample",
        "max_hz": "2.5",
        "clusters": "3,4",
        "min_severity": "medium",
        "epsilon_centroid": "0.5",
        "epsilon_size": "0.1",
        "centroids": "false",
        "sample_max_points": "100",
        "sample_dimensions": "0,4",
        "sample_max_hz": "10",
    }
    assert expected == asked(**query)
    assert {name for name, _ in PARAMETERS} == query.keys()


@pytest.mark.parametrize(
    ("given", "expected"), [("2", 2), ("3", 3), ("1,0", (1, 0)), ("5,6,7", (5, 6, 7))]
)
def test_dimensions_are_a_number_of_axes_or_indices(given: str, expected: Any) -> None:
    sample = asked(sample_dimensions=given).sample
    assert Sample(dimensions=expected) == sample


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("stream", "x" * 129),
        ("events", ""),
        ("events", "cluster_update,"),
        ("events", "drift"),
        ("max_hz", "fast"),
        ("max_hz", "0"),
        ("max_hz", "nan"),
        ("max_hz", ""),
        ("clusters", "1,x"),
        ("clusters", "-1"),
        ("clusters", ",".join(["1"] * 1001)),
        ("min_severity", "mild"),
        ("epsilon_centroid", "-1"),
        ("epsilon_size", "inf"),
        ("centroids", "perhaps"),
        ("sample_max_points", "0"),
        ("sample_max_points", "10001"),
        ("sample_max_points", "1.5"),
        ("sample_dimensions", "4"),
        ("sample_dimensions", "0"),
        ("sample_dimensions", "1,"),
        ("sample_dimensions", "1,2,3,4"),
        ("sample_dimensions", "\u00b2"),
        ("sample_max_hz", "-1"),
    ],
    ids=lambda text: text[:20],
)
def test_what_does_not_fit_is_refused_by_name(name: str, given: str) -> None:
    with pytest.raises(NcsError) as caught:
        asked(**{name: given})
    assert Code.INVALID_MESSAGE is caught.value.code
    assert f"query.{name}" == caught.value.field
    assert caught.value.detail.startswith(f"{name}: ")


def test_a_parameter_comes_once() -> None:
    with pytest.raises(NcsError, match="stream: is given more than once"):
        subscription_of(MultiDict([("stream", "a"), ("stream", "b")]))

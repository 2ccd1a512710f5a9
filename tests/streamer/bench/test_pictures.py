import xml.etree.ElementTree as ET

import numpy as np
import pytest

from ncs_streamer.bench.generators import generate
from ncs_streamer.bench.labelled import LabelledStream
from ncs_streamer.bench.pictures import draw

pytestmark = pytest.mark.unit

SVG = "{http://www.w3.org/2000/svg}"


def circles(text: str) -> list[dict[str, str]]:
    return [node.attrib for node in ET.fromstring(text).iter(f"{SVG}circle")]


def test_every_point_is_drawn_once_by_the_truth_and_once_by_its_id() -> None:
    stream = generate("blobs_k5_d2").head(300)
    drawn = circles(draw(stream, stream.truth, "five"))
    assert 600 == len(drawn)
    left, right = drawn[:300], drawn[300:]
    assert [one["fill"] for one in left] == [other["fill"] for other in right]
    assert 5 == len({one["fill"] for one in left})
    assert {one["cy"] for one in left} == {other["cy"] for other in right}


def test_all_points_are_within_their_panel() -> None:
    stream = generate("outliers_5pct").head(2000)
    text = draw(stream, stream.truth, "outliers")
    panels = [node.attrib for node in ET.fromstring(text).iter(f"{SVG}rect")][1:]
    for number, panel in enumerate(panels):
        left, width = float(panel["x"]), float(panel["width"])
        for circle in circles(text)[2000 * number : 2000 * (number + 1)]:
            assert left <= float(circle["cx"]) <= left + width


def test_an_outlier_is_grey() -> None:
    stream = generate("blobs_k5_d2").head(300)
    drawn = circles(draw(stream, np.full(300, -1), "none"))
    assert {"#999"} == {circle["fill"] for circle in drawn[300:]}


def test_a_long_stream_is_thinned_out() -> None:
    stream = generate("blobs_k5_d2")
    assert 2 * 2000 == len(circles(draw(stream, stream.truth, "long")))


def test_one_feature_is_enough() -> None:
    stream = LabelledStream(
        name="one",
        origin="data",
        kind="line",
        tasks=frozenset(("cluster",)),
        points=np.arange(100, dtype=np.float32)[:, None],
        truth=np.zeros(100, np.int64),
    )
    assert 200 == len(circles(draw(stream, stream.truth, "a line & <more>")))

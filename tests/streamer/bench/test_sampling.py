"""What `ncs bench sample` returns; how much it costs decides no test."""

import orjson
import pytest

from ncs_streamer.bench import sampling
from ncs_streamer.cli import main

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_CASES", ((3, 1), (3, 200)))
    monkeypatch.setattr(sampling, "_POINTS", 4000)
    monkeypatch.setattr(sampling, "_WARM_UP_POINTS", 400)


def test_there_is_a_row_a_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["bench", "sample", "--seconds", "0.01", "--json"])
    rows = orjson.loads(capsys.readouterr().out)["rows"]
    cases = [(row["dimension"], row["points_per_frame"]) for row in rows]
    assert [(3, 1), (3, 200)] == cases
    for row in rows:
        rates = [row[f"points_per_second_{name}"] for name in ("with", "without")]
        assert row["ratio"] == pytest.approx(rates[0] / rates[1], abs=0.01)
        assert row["sample_ms"] > 0


def test_it_prints_a_table_for_a_reader(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["bench", "sample", "--seconds", "0.01"])
    assert "ratio" in capsys.readouterr().out

"""What deploy/README.md says, where a machine can tell whether it is so."""

from __future__ import annotations

import re

import pytest

from ncs_streamer.metrics import METRICS
from ncs_streamer.settings import Settings

from .artefacts import DEPLOY, rules
from .test_image import known_env
from .vocabulary import series

pytestmark = pytest.mark.unit

_TEXT = (DEPLOY / "README.md").read_text()


def test_the_metrics_that_it_names_exist() -> None:
    named = set(re.findall(r"`((?:ncs|process)_[a-z_]+)[`{]", _TEXT))
    assert named
    assert named <= {metric.name for metric in METRICS} | series().keys()


def test_the_settings_that_it_names_exist() -> None:
    named = set(re.findall(r"`(NCS_[A-Z_]+|SECRET_KEY)\b", _TEXT))
    assert named
    assert named <= known_env()


def test_it_lists_every_alert_and_how_urgent_it_is() -> None:
    rows = dict(re.findall(r"^\| `(Ncs\w+)` \| (yes|no) \|", _TEXT, re.MULTILINE))
    assert rows == {
        name: "yes" if rule["labels"]["severity"] == "critical" else "no"
        for name, rule in rules("alert").items()
    }


def test_its_proxy_waits_longer_than_the_heartbeat_and_passes_large_bodies() -> None:
    waits = re.findall(r"proxy_(?:read|send)_timeout (\d+)s;", _TEXT)
    assert len(waits) == 2
    assert all(float(wait) > 3 * Settings().heartbeat_s for wait in waits)
    (size,) = re.findall(r"client_max_body_size (\d+)m;", _TEXT)
    assert float(size) * 2**20 > Settings().max_frame_bytes


def test_its_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", _TEXT):
        path, _, heading = link.partition("#")
        found = DEPLOY / path
        assert found.exists(), link
        if heading:
            titles = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            assert heading in [t.lower().replace(" ", "-") for t in titles], link

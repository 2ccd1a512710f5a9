"""What a node is told of itself, and what it insists on."""

from __future__ import annotations

from pathlib import Path

import pytest

from ncs_streamer.server import cluster_config
from ncs_streamer.settings import Settings, SettingsError, load_settings

pytestmark = pytest.mark.unit

SECRET = "s" * 32
REDIS = {"store": "redis://127.0.0.1"}


def test_nodes_with_the_same_secret_key_know_each_other() -> None:
    one = cluster_config(Settings(**REDIS, secret_key=SECRET, node_name="a"))
    two = cluster_config(Settings(**REDIS, secret_key=SECRET, node_name="b"))
    assert one.secret == two.secret
    assert SECRET.encode() not in one.secret


def test_a_secret_of_their_own_comes_first() -> None:
    one = cluster_config(Settings(**REDIS, secret_key=SECRET))
    two = cluster_config(Settings(**REDIS, secret_key=SECRET, cluster_secret="t" * 32))
    assert one.secret != two.secret


def test_without_any_secret_a_node_does_not_start() -> None:
    with pytest.raises(SettingsError, match="SECRET_KEY, or cluster_secret"):
        cluster_config(Settings(**REDIS))


def test_a_name_that_is_not_given_is_the_same_after_a_restart(tmp_path: Path) -> None:
    settings = Settings(**REDIS, secret_key=SECRET, cluster_port=0, data_dir=tmp_path)
    assert cluster_config(settings).node == cluster_config(settings).node
    assert str(tmp_path) in cluster_config(settings).node


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        ({"cluster_secret": "short"}, "at least 32"),
        ({"cluster_secret": SECRET}, "store that they share"),
        ({"cluster_port": "70000"}, "is no port"),
        ({"lease_s": "0"}, "must be positive"),
    ],
)
def test_settings_that_cannot_be_are_refused(flags: dict[str, str], what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        load_settings(flags, {})


def test_with_the_store_of_one_file_nothing_of_a_cluster_runs() -> None:
    assert not Settings().is_clustered
    assert Settings(**REDIS).is_clustered

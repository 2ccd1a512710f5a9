from __future__ import annotations

import hashlib
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from ncs_streamer.auth import ApiKey, key_hash, make_key
from ncs_streamer.auth.keys import looks_like_key

pytestmark = pytest.mark.unit

MANY = examples(100)


def made(environment: str = "development") -> tuple[str, ApiKey]:
    return make_key(
        environment=environment,
        name="gateway",
        tenant="acme",
        permissions=("read", "write"),
        now=100.0,
        expires_at=200.0,
    )


KEY, ROW = made()


@pytest.mark.parametrize(
    ("environment", "kind"), [("production", "live"), ("development", "dev")]
)
def test_a_key_says_where_it_belongs(environment: str, kind: str) -> None:
    key, _ = made(environment)
    assert re.fullmatch(rf"nck_{kind}_[A-Za-z0-9]{{40}}_[0-9a-f]{{8}}", key)


def test_a_key_has_at_least_32_characters_of_chance() -> None:
    assert len(KEY.split("_")[2]) >= 32


def test_the_end_of_a_key_is_its_checksum() -> None:
    body, _, checksum = KEY.rpartition("_")
    assert checksum == f"{zlib.crc32(body.encode()):08x}"


def test_no_two_keys_are_the_same() -> None:
    keys = [made() for _ in range(100)]
    assert len({key for key, _ in keys}) == len({row.key_id for _, row in keys}) == 100


def test_the_row_shows_the_first_four_characters_of_chance() -> None:
    assert ROW.prefix == KEY.split("_")[2][:4]


def test_the_row_holds_the_sha256_of_the_key() -> None:
    assert ROW.key_hash == key_hash(KEY) == hashlib.sha256(KEY.encode()).hexdigest()


def test_the_row_does_not_hold_the_key() -> None:
    assert KEY.split("_")[2] not in repr(ROW)


def test_the_row_says_whose_key_it_is_and_for_what() -> None:
    assert (ROW.name, ROW.tenant, ROW.permissions) == (
        "gateway",
        "acme",
        ("read", "write"),
    )


def test_the_row_says_how_long_the_key_holds() -> None:
    assert (ROW.is_active, ROW.created_at, ROW.expires_at) == (True, 100.0, 200.0)


@pytest.mark.parametrize("environment", ["production", "development"])
def test_a_key_looks_like_a_key(environment: str) -> None:
    key, _ = made(environment)
    assert looks_like_key(key)


LOOK_ALIKES = {
    "nothing": "",
    "another prefix": "sk_" + KEY[4:],
    "upper case": KEY.upper(),
    "a space before": " " + KEY,
    "a line break behind": KEY + "\n",
    "a character more": KEY + "0",
    "a character less": KEY[:-1],
    "no checksum": KEY.rpartition("_")[0],
    "a checksum in upper case": KEY[:-8] + "ABCDEF01",
    "another checksum": KEY[:-8] + f"{int(KEY[-8:], 16) ^ 1:08x}",
    "two keys": KEY + KEY,
    "a letter that is none of ours": KEY[:20] + "ä" + KEY[21:],
    "a token": "a.b.c",
    "an undecodable byte": KEY[:20] + "\udcff" + KEY[21:],
}


@pytest.mark.parametrize("text", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
def test_a_look_alike_is_told_from_a_key(text: str) -> None:
    assert not looks_like_key(text)


@given(st.integers(0, len(KEY) - 1), st.sampled_from("abcXYZ019_.-"))
@MANY
def test_any_changed_character_is_noticed(place: int, character: str) -> None:
    text = KEY[:place] + character + KEY[place + 1 :]
    assert looks_like_key(text) == (text == KEY)


def test_the_checksum_is_for_the_whole_body() -> None:
    live = KEY.replace("nck_dev_", "nck_live_")
    assert not looks_like_key(live)

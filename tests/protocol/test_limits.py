from __future__ import annotations

import string
from typing import Any

import msgpack
import msgspec
import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ncs_protocol import (
    DEFAULT_LIMITS,
    MSGPACK,
    Code,
    Limits,
    NcsError,
    check_metadata,
    check_name,
    pack,
)
from ncs_protocol.messages import Points

from .frames import code_of, raw, refusal
from .strategies import CHARACTERS, MANY, plain_values, texts

pytestmark = pytest.mark.unit


def test_the_limits_are_the_documented_ones() -> None:
    assert msgspec.structs.asdict(DEFAULT_LIMITS) == {
        "max_frame_bytes": 2 * 1024 * 1024,
        "max_points": 10_000,
        "max_dimensions": 1_000,
        "max_elements": 100_000,
        "max_abs_value": 1e6,
        "max_metadata_bytes": 4096,
        "max_metadata_depth": 8,
    }


# Names


@pytest.mark.parametrize(
    "name", ["a", "Z", "0", "a" * 128, "a_b.c:d@e-f", "9-9", string.ascii_letters]
)
def test_a_name_is_taken_as_it_is(name: str) -> None:
    assert check_name("stream", name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", "a" * 129, "_a", ".a", "-a", ":a", "@a", " a", "a ", "a b", "a/b", "a\n",
        "a\0", "ä", "aä", "../a", "a\\b", "a%20b", "\N{FULLWIDTH DIGIT ONE}",
        "\N{ARABIC-INDIC DIGIT ONE}", "\N{KELVIN SIGN}",
    ],
)  # fmt: skip
def test_what_is_no_name_is_an_invalid_name(name: str) -> None:
    assert code_of(lambda: check_name("stream", name)) is Code.INVALID_NAME


def test_the_refusal_of_a_name_tells_what_it_was_for() -> None:
    error = refusal(lambda: check_name("producer", "a b"))
    assert error.detail.startswith("producer 'a b' is not a name: 1 to 128 of")


def test_a_long_name_is_not_repeated_in_full() -> None:
    error = refusal(lambda: check_name("stream", "ä" * 100_000))
    assert len(error.detail) < 200


@given(st.text(CHARACTERS, max_size=140))
@MANY
def test_any_text_is_a_name_or_an_invalid_name(name: str) -> None:
    try:
        assert check_name("stream", name) == name
    except NcsError as error:
        assert error.code is Code.INVALID_NAME


# Metadata


def deep(levels: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for _ in range(levels - 1):
        metadata = {"a": metadata}
    return metadata


def test_metadata_as_deep_as_the_limit_pass() -> None:
    check_metadata(deep(8), DEFAULT_LIMITS)


def test_metadata_one_level_deeper_are_nested_too_deep() -> None:
    metadata = deep(9)
    assert code_of(lambda: check_metadata(metadata, DEFAULT_LIMITS)) is (
        Code.NESTED_TOO_DEEP
    )


def test_lists_count_as_levels_as_well() -> None:
    limits = Limits(max_metadata_depth=3)
    check_metadata({"a": [1]}, limits)
    assert code_of(lambda: check_metadata({"a": [[1]]}, limits)) is Code.NESTED_TOO_DEEP


def test_the_depth_is_told() -> None:
    error = refusal(lambda: check_metadata(deep(9), DEFAULT_LIMITS))
    assert error.detail == "metadata is nested deeper than 8 levels"


@pytest.mark.parametrize(
    ("metadata", "size"),
    [
        ({"key": "abc"}, 13),
        ({"key": 1}, 9),
        ({"key": 1.5}, 11),
        ({"key": None}, 12),
        ({"key": True}, 12),
        ({"key": ["a", "b"]}, 17),
        ({"key": {"k": "v"}}, 17),
    ],
    ids=str,
)
def test_metadata_of_exactly_the_limit_pass(
    metadata: dict[str, Any], size: int
) -> None:
    check_metadata(metadata, Limits(max_metadata_bytes=size))


@pytest.mark.parametrize(
    "metadata",
    [{"a": "x" * 4096}, {"x" * 4096: 0}, {"a": [0] * 2046}],
    ids=["a long text", "a long key", "many numbers"],
)
def test_metadata_beyond_the_limit_are_too_large(metadata: dict[str, Any]) -> None:
    assert code_of(lambda: check_metadata(metadata, DEFAULT_LIMITS)) is (
        Code.METADATA_TOO_LARGE
    )


@pytest.mark.parametrize("over", [0, 1])
def test_the_limit_of_the_size_is_exact(over: int) -> None:
    metadata = {"a": "x" * (4096 - len('{"a":""}') + over)}
    if over:
        code = code_of(lambda: check_metadata(metadata, DEFAULT_LIMITS))
        assert code is Code.METADATA_TOO_LARGE
    else:
        check_metadata(metadata, DEFAULT_LIMITS)


@pytest.mark.parametrize(
    "metadata",
    [
        {"a": [{}] * 4096},
        {"a": [[]] * 4096},
        {"a": {str(i): {} for i in range(2000)}},
        {"a": [-1.2345678901234567e-300] * 511},
        {"a": "\0" * 4000},
        {"a": "\N{GRINNING FACE}" * 4000},
        {"a": ["" for _ in range(4090)]},
    ],
    ids=["objects", "lists", "keys", "numbers", "controls", "emoji", "texts"],
)
def test_metadata_that_are_longer_than_the_limit_in_json_are_too_large(
    metadata: dict[str, Any],
) -> None:
    assert len(orjson.dumps(metadata)) > 4096
    assert code_of(lambda: check_metadata(metadata, DEFAULT_LIMITS)) is (
        Code.METADATA_TOO_LARGE
    )


FOREIGN: list[Any] = [b"abc", msgpack.ExtType(0x10, pack(np.zeros(3)))]


@pytest.mark.parametrize("value", FOREIGN, ids=["bytes", "an array"])
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v]], ids=["plain", "deep"])
def test_metadata_hold_only_what_json_has(value: Any, wrap: Any) -> None:
    metadata = {"a": wrap(value)}
    frame = raw(MSGPACK, {"type": "points", "seq": 1, "metadata": metadata})
    message = MSGPACK.decode_client(frame)
    assert isinstance(message, Points)
    found = message.metadata or {}
    error = refusal(lambda: check_metadata(found, DEFAULT_LIMITS))
    assert (error.code, error.field) == (Code.INVALID_MESSAGE, "metadata")


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 2**70])
def test_a_number_in_metadata_has_64_bits(value: int) -> None:
    # A larger one, from a MessagePack timestamp, could be written in neither form.
    refusal(lambda: check_metadata({"a": value}, DEFAULT_LIMITS))


@given(st.dictionaries(texts, plain_values, max_size=4))
@example({})
@MANY
def test_any_metadata_pass_or_are_refused_with_one_of_two_codes(
    metadata: dict[str, Any],
) -> None:
    limits = Limits(max_metadata_bytes=32, max_metadata_depth=3)
    try:
        check_metadata(metadata, limits)
    except NcsError as error:
        assert error.code in (Code.NESTED_TOO_DEEP, Code.METADATA_TOO_LARGE)


def test_checking_leaves_the_metadata_alone() -> None:
    metadata = {"a": [1, {"b": "c"}], "d": None}
    check_metadata(metadata, DEFAULT_LIMITS)
    assert metadata == {"a": [1, {"b": "c"}], "d": None}

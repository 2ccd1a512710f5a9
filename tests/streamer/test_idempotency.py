import numpy as np
import pytest

from ncs_protocol import Code, NcsError
from ncs_streamer.idempotency import MAX_KEYS, Keys, Request, digest_of

pytestmark = pytest.mark.unit


def test_a_key_is_found_by_its_body_only() -> None:
    keys = Keys()
    assert keys.find("a", b"1") is None
    keys.add("a", Request(7, b"1"))
    assert keys.find("a", b"1") == Request(7, b"1")
    with pytest.raises(NcsError) as refused:
        keys.find("a", b"2")
    assert refused.value.code is Code.IDEMPOTENCY_KEY_REUSED


def test_the_oldest_key_goes_when_there_are_too_many() -> None:
    keys = Keys()
    for i in range(MAX_KEYS + 1):
        keys.add(str(i), Request(i, b""))
    assert keys.find("0", b"") is None
    assert keys.find("1", b"") == Request(1, b"")


def test_keys_come_back_in_their_order() -> None:
    keys = Keys()
    for i in range(MAX_KEYS):
        keys.add(str(i), Request(i, b"x"))
    again = Keys.restore(keys.state())
    assert again.state() == keys.state()
    again.add("new", Request(MAX_KEYS, b""))
    assert again.find("0", b"x") is None


def test_a_copy_goes_its_own_way() -> None:
    keys = Keys()
    copy = keys.copy()
    copy.add("a", Request(1, b""))
    assert keys.find("a", b"") is None


def test_a_digest_tells_points_types_shapes_and_the_rest_apart() -> None:
    block = np.arange(6, dtype=np.float32).reshape(3, 2)
    told = {
        digest_of(block, None),
        digest_of(block.reshape(2, 3), None),
        digest_of(block.astype(np.float64), None),
        digest_of(block + 1, None),
        digest_of(block, {"a": 1}),
        digest_of(block, {"a": 2}),
    }
    assert len(told) == 6
    assert digest_of(block, {"a": 1, "b": 2}) == digest_of(block, {"b": 2, "a": 1})

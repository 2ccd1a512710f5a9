from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_protocol import CODECS, JSON, MSGPACK, Codec, ScaledArray
from ncs_protocol.messages import Points

from .strategies import (
    CLIENT_KINDS,
    FEW,
    MANY,
    SERVER_KINDS,
    arrays,
    assert_same,
    client_messages,
    messages,
)

pytestmark = pytest.mark.unit

each_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
each_client_kind = pytest.mark.parametrize("kind", CLIENT_KINDS)
each_server_kind = pytest.mark.parametrize("kind", SERVER_KINDS)


@each_codec
@each_client_kind
@given(data=st.data())
@FEW
def test_a_client_message_comes_back_equal(
    kind: Any, codec: Codec, data: st.DataObject
) -> None:
    message = data.draw(messages(kind))
    assert_same(codec.decode_client(codec.encode(message)), message)


@each_codec
@each_server_kind
@given(data=st.data())
@FEW
def test_a_server_message_comes_back_equal(
    kind: Any, codec: Codec, data: st.DataObject
) -> None:
    message = data.draw(messages(kind))
    assert_same(codec.decode_server(codec.encode(message)), message)


@each_codec
@given(message=client_messages())
@MANY
def test_a_body_comes_back_equal(codec: Codec, message: Any) -> None:
    assert_same(codec.decode_as(codec.encode(message), type(message)), message)


@each_client_kind
@given(data=st.data())
@FEW
def test_both_codecs_give_the_same_client_message(
    kind: Any, data: st.DataObject
) -> None:
    message = data.draw(messages(kind))
    assert_same(
        JSON.decode_client(JSON.encode(message)),
        MSGPACK.decode_client(MSGPACK.encode(message)),
    )


@each_server_kind
@given(data=st.data())
@FEW
def test_both_codecs_give_the_same_server_message(
    kind: Any, data: st.DataObject
) -> None:
    message = data.draw(messages(kind))
    assert_same(
        JSON.decode_server(JSON.encode(message)),
        MSGPACK.decode_server(MSGPACK.encode(message)),
    )


@each_codec
@given(array=arrays)
@FEW
def test_a_packed_array_comes_back_equal(codec: Codec, array: Any) -> None:
    message = Points(seq=1, array=array)
    assert_same(codec.decode_client(codec.encode(message)), message)


@each_codec
def test_scaled_integers_come_back_as_what_they_stand_for(codec: Codec) -> None:
    scaled: Any = ScaledArray(np.array([[0, 10, -10]], "i2"), 0.5, 20.0)
    message = codec.decode_client(codec.encode(Points(seq=1, array=scaled)))
    assert isinstance(message, Points)
    assert message.array is not None
    assert message.array.tolist() == [[20.0, 25.0, 15.0]]


@given(message=client_messages())
@MANY
def test_json_is_read_from_text_as_from_bytes(message: Any) -> None:
    frame = JSON.encode(message)
    assert_same(JSON.decode_client(frame.decode()), JSON.decode_client(frame))


@each_codec
def test_what_is_as_it_is_by_default_does_not_travel(codec: Codec) -> None:
    spelt_out = Points(seq=1, stream="default", results="none")
    assert codec.encode(spelt_out) == codec.encode(Points(seq=1))


@each_codec
def test_an_empty_metadata_is_not_the_same_as_none(codec: Codec) -> None:
    message = codec.decode_client(codec.encode(Points(seq=1, metadata={})))
    assert isinstance(message, Points)
    assert message.metadata == {}

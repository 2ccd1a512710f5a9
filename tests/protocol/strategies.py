"""Messages of every type, built from what their structs declare."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

import msgspec
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from msgspec import inspect
from properties import examples

from ncs_protocol.messages import ClientMessage, ServerMessage

FEW = examples(12)
MANY = examples(60)

CLIENT_KINDS = get_args(ClientMessage)
SERVER_KINDS = get_args(ServerMessage)

# A few characters that are hard in one form or the other, and plain ones. (All of
# Unicode would take hypothesis seconds to set up.)
CHARACTERS = 'ab12 _.:@-"\\/\0\n\x7f\x80äß€\u2028\uffff\N{GRINNING FACE}'
texts = st.text(CHARACTERS, max_size=12)
floats = st.floats(allow_nan=False, allow_infinity=False)
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | floats | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=6,
)
"""What JSON and MessagePack both know."""

DTYPES = ("<f4", "<f8", "<f2", "<i4", "<i2", "i1", "u1")
arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: npst.arrays(dtype, npst.array_shapes(min_side=0, max_dims=4))
)
"""What can be packed."""


@cache
def messages(kind: Any) -> st.SearchStrategy[Any]:
    """Return any message of that struct that both codecs can carry."""
    return _of(inspect.type_info(kind))


@cache
def client_messages() -> st.SearchStrategy[Any]:
    return st.one_of([messages(kind) for kind in CLIENT_KINDS])


@cache
def server_messages() -> st.SearchStrategy[Any]:
    return st.one_of([messages(kind) for kind in SERVER_KINDS])


def assert_same(one: Any, other: Any) -> None:
    """Compare two messages, their arrays by value, type and shape."""
    assert (type(one), _plain(one)) == (type(other), _plain(other))


def _plain(value: Any) -> Any:
    """Return what can be compared, for a message with whatever is in it."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    if isinstance(value, msgspec.Struct):
        names = value.__struct_fields__
        return {name: _plain(getattr(value, name)) for name in names}
    return value


def _of(declared: inspect.Type) -> st.SearchStrategy[Any]:
    match declared:
        case inspect.StructType(cls=cls, fields=fields):
            required = {f.name: _of(f.type) for f in fields if f.required}
            optional = {f.name: _of(f.type) for f in fields if not f.required}
            given = st.fixed_dictionaries(required, optional=optional)
            return given.map(lambda values: cls(**values))
        case inspect.UnionType(types=types):
            return st.one_of([_of(member) for member in types])
        case inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case inspect.ListType(item_type=item, min_length=fewest):
            return st.lists(_of(item), min_size=fewest or 0, max_size=4)
        case inspect.VarTupleType(item_type=item, min_length=fewest, max_length=most):
            return st.lists(_of(item), min_size=fewest or 0, max_size=most).map(tuple)
        case inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(_of(key), _of(value), max_size=4)
        case inspect.StrType(min_length=shortest):
            return texts.filter(lambda text: len(text) >= (shortest or 0))
        case inspect.IntType(ge=low, le=high):
            least = -(2**63) if low is None else low
            return st.integers(least, 2**63 - 1 if high is None else high)
        case inspect.FloatType(ge=None, le=None):
            return floats
        case inspect.FloatType(ge=low, le=high):
            return st.floats(low, high, allow_nan=False)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.AnyType():
            return plain_values
        case inspect.Metadata():  # the title of a packed array
            return arrays
    raise NotImplementedError(declared)

from __future__ import annotations

import pytest

from ncs_engine import BoundedCollection

pytestmark = pytest.mark.unit


def filled(maxlen: int, count: int) -> BoundedCollection[int]:
    collection: BoundedCollection[int] = BoundedCollection(maxlen)
    for item in range(count):
        collection.append(item)
    return collection


def test_the_oldest_item_goes_first() -> None:
    assert list(filled(3, 5)) == [2, 3, 4]


def test_an_item_that_is_read_goes_all_the_same() -> None:
    collection = filled(3, 3)
    collection.get_recent(3)
    collection.append(3)
    assert list(collection) == [1, 2, 3]


def test_it_never_holds_more_than_maxlen() -> None:
    assert len(filled(3, 50)) == filled(3, 50).maxlen == 3


@pytest.mark.parametrize(
    ("n", "recent"), [(0, []), (1, [4]), (2, [3, 4]), (3, [2, 3, 4]), (9, [2, 3, 4])]
)
def test_recent_items_come_oldest_first(n: int, recent: list[int]) -> None:
    assert filled(3, 5).get_recent(n) == recent


def test_recent_items_are_a_copy() -> None:
    collection = filled(3, 3)
    collection.get_recent(3).clear()
    assert len(collection) == 3


def test_it_may_grow_while_it_is_read() -> None:
    collection = filled(3, 3)
    for item in collection:
        collection.append(item)
    assert list(collection) == [0, 1, 2]


def test_clearing_forgets_all() -> None:
    collection = filled(3, 3)
    collection.clear()
    assert list(collection) == []


@pytest.mark.parametrize("maxlen", [0, -1])
def test_a_collection_without_room_is_refused(maxlen: int) -> None:
    with pytest.raises(ValueError, match=f"^maxlen must be at least 1, got {maxlen}$"):
        BoundedCollection(maxlen)


def test_a_negative_number_of_items_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^n must not be negative, got -1$"):
        filled(3, 3).get_recent(-1)

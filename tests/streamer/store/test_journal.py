from __future__ import annotations

import pytest

from ncs_streamer.store import Append, Store, StoreError, StreamKey

pytestmark = pytest.mark.unit

A, B = StreamKey("acme", "a"), StreamKey("acme", "b")
STRANGER = StreamKey("other", "a")


def entries(key: StreamKey, first: int, last: int) -> list[Append]:
    return [Append(key, n, f"{key.tenant}{n}".encode()) for n in range(first, last + 1)]


async def offsets(store: Store, key: StreamKey) -> list[int]:
    return [offset for offset, _ in await store.journal.read(key, 0, 1000)]


async def test_entries_are_read_as_they_were_appended(store: Store) -> None:
    await store.journal.append([Append(A, 1, b"one"), Append(A, 2, b"two")])
    await store.journal.append([Append(A, 3, b"three")])
    found = await store.journal.read(A, 0, 10)
    assert found == [(1, b"one"), (2, b"two"), (3, b"three")]


@pytest.mark.parametrize(
    "payload", [b"", b"\0", bytes(range(256)), b"x" * 1_000_000], ids=len
)
async def test_a_payload_may_be_any_bytes(store: Store, payload: bytes) -> None:
    await store.journal.append([Append(A, 1, payload)])
    assert await store.journal.read(A, 0, 1) == [(1, payload)]


@pytest.mark.parametrize(
    ("after", "limit", "expected"),
    [
        (0, 2, [1, 2]),
        (2, 2, [3, 4]),
        (4, 2, [5]),
        (5, 2, []),
        (99, 2, []),
        (0, 99, [1, 2, 3, 4, 5]),
        (0, 0, []),
    ],
)
async def test_reading_begins_after_an_offset_and_ends_at_the_limit(
    store: Store, after: int, limit: int, expected: list[int]
) -> None:
    await store.journal.append(entries(A, 1, 5))
    found = await store.journal.read(A, after, limit)
    assert [offset for offset, _ in found] == expected


async def test_a_stream_without_entries_is_empty(store: Store) -> None:
    assert (await offsets(store, A), await store.journal.tail(A)) == ([], 0)


async def test_the_tail_is_the_last_offset(store: Store) -> None:
    await store.journal.append(entries(A, 1, 5))
    assert await store.journal.tail(A) == 5


async def test_appending_nothing_changes_nothing(store: Store) -> None:
    await store.journal.append([])
    assert await store.streams() == []


WRONG_ORDER = {
    "a first offset of 0": (0, [0]),
    "a first offset of 2": (0, [2]),
    "a gap": (2, [4]),
    "a gap within": (2, [3, 5]),
    "the tail again": (2, [2]),
    "the past": (2, [1]),
    "the same twice": (2, [3, 3]),
    "backwards": (2, [4, 3]),
}


@pytest.mark.parametrize(("tail", "wrong"), WRONG_ORDER.values(), ids=WRONG_ORDER)
async def test_what_does_not_follow_is_refused_and_nothing_is_kept(
    store: Store, tail: int, wrong: list[int]
) -> None:
    await store.journal.append(entries(A, 1, tail))
    with pytest.raises(StoreError, match="does not follow"):
        await store.journal.append([Append(A, n, b"wrong") for n in wrong])
    assert await store.journal.tail(A) == tail
    assert await store.journal.read(A, 0, 9) == [e[1:] for e in entries(A, 1, tail)]


async def test_after_a_refusal_the_right_entry_is_taken(store: Store) -> None:
    with pytest.raises(StoreError):
        await store.journal.append(entries(A, 2, 2))
    await store.journal.append(entries(A, 1, 1))
    assert await store.journal.tail(A) == 1


async def test_several_streams_are_appended_to_at_once(store: Store) -> None:
    one, two, three = entries(A, 1, 3)
    others = [*entries(B, 1, 1), *entries(STRANGER, 1, 2)]
    await store.journal.append([one, others[0], two, *others[1:], three])
    assert [await offsets(store, key) for key in (A, B, STRANGER)] == [
        [1, 2, 3],
        [1],
        [1, 2],
    ]


@pytest.mark.parametrize("wrong_first", [False, True])
async def test_of_each_stream_all_entries_are_kept_or_none(
    store: Store, wrong_first: bool
) -> None:
    await store.journal.append(entries(A, 1, 1))
    good, wrong = entries(A, 2, 3), [*entries(B, 1, 2), *entries(B, 7, 7)]
    with pytest.raises(StoreError, match="does not follow"):
        await store.journal.append(wrong + good if wrong_first else good + wrong)
    kept = await offsets(store, A)
    assert (kept in ([1], [1, 2, 3]), await offsets(store, B)) == (True, [])
    await store.journal.append(entries(A, 2, 3))  # whether it was kept or not
    assert await offsets(store, A) == [1, 2, 3]


async def test_truncating_forgets_up_to_an_offset_and_keeps_the_tail(
    store: Store,
) -> None:
    await store.journal.append(entries(A, 1, 5))
    await store.journal.truncate(A, 3)
    assert (await offsets(store, A), await store.journal.tail(A)) == ([4, 5], 5)


@pytest.mark.parametrize("through", [5, 99])
async def test_truncating_everything_keeps_the_tail(store: Store, through: int) -> None:
    await store.journal.append(entries(A, 1, 5))
    await store.journal.truncate(A, through)
    assert (await offsets(store, A), await store.journal.tail(A)) == ([], 5)


async def test_after_truncating_the_stream_goes_on(store: Store) -> None:
    await store.journal.append(entries(A, 1, 5))
    await store.journal.truncate(A, 5)
    await store.journal.append(entries(A, 6, 6))
    assert (await offsets(store, A), await store.journal.tail(A)) == ([6], 6)


async def test_truncating_twice_is_truncating_once(store: Store) -> None:
    await store.journal.append(entries(A, 1, 5))
    await store.journal.truncate(A, 3)
    await store.journal.truncate(A, 2)
    assert await offsets(store, A) == [4, 5]


async def test_truncating_what_is_not_there_does_nothing(store: Store) -> None:
    await store.journal.truncate(A, 5)
    assert (await store.journal.tail(A), await store.streams()) == (0, [])


async def test_truncating_leaves_other_streams_alone(store: Store) -> None:
    for key in (A, B, STRANGER):
        await store.journal.append(entries(key, 1, 2))
    await store.journal.truncate(A, 2)
    assert [await offsets(store, key) for key in (B, STRANGER)] == [[1, 2], [1, 2]]


async def test_tenants_do_not_see_each_other(store: Store) -> None:
    await store.journal.append([Append(A, 1, b"ours")])
    await store.journal.append([Append(STRANGER, 1, b"theirs")])
    found = [await store.journal.read(key, 0, 9) for key in (A, STRANGER)]
    assert found == [[(1, b"ours")], [(1, b"theirs")]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b:c"), ("a:b", "c")),
        (("", "ab"), ("ab", "")),
        (("a", "S"), ("a", "s")),
        (("a", "s"), ("a", "s ")),
        (("'; --", "s"), ("", "s")),
    ],
)
async def test_names_that_are_nearly_the_same_are_not(
    store: Store, one: tuple[str, str], other: tuple[str, str]
) -> None:
    await store.journal.append([Append(StreamKey(*one), 1, b"one")])
    assert await store.journal.tail(StreamKey(*other)) == 0


@pytest.mark.parametrize(("room", "count"), [(0, 1), (7, 1), (8, 2), (99, 3)])
async def test_reading_stops_at_a_number_of_bytes(
    store: Store, room: int, count: int
) -> None:
    await store.journal.append([Append(A, n, b"four") for n in (1, 2, 3)])
    assert len(await store.journal.read(A, 0, 9, max_bytes=room)) == count

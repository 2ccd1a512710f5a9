"""The spool on disk: whatever happens to it, what it gives is what it was given."""

import errno
import os
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from ncs_client import SpoolError, SpoolFullError, SpoolOptions
from ncs_client.segment import Segment, SegmentReader
from ncs_client.spool import Spool

from .spools import abandon, opened, options, rest_of

pytestmark = pytest.mark.unit

MANY = examples(150)


def filled(
    folder: Path, sizes: list[int], sent: int = 0, **changes: Any
) -> list[bytes]:
    """Leave a spool behind as by kill -9; return what it was given."""
    spool = opened(folder, **changes)
    payloads = [b"%04d" % n + bytes([n % 256]) * size for n, size in enumerate(sizes)]
    for payload in payloads:
        spool.append(payload, 1.0)
    after = 0
    for _ in range(sent):
        record = spool.read(after)
        assert record is not None
        after = record.index
    abandon(spool)
    return payloads


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.seg"))


def contents(path: Path) -> list[tuple[int, int]]:
    """Return (end offset, index) of the records of a whole segment."""
    ends = []
    with SegmentReader(path, int(path.stem)) as reader:
        while (record := reader.next()) is not None:
            ends.append((reader.offset, record.index))
    return ends


def test_what_is_appended_is_read_in_order_also_by_the_next_process(
    tmp_path: Path,
) -> None:
    payloads = filled(tmp_path / "s", [10] * 50)
    spool = opened(tmp_path / "s")
    assert payloads == rest_of(spool)
    assert 50 == spool.depth
    spool.close()


def test_numbers_follow_the_order_and_an_ack_forgets(tmp_path: Path) -> None:
    spool = opened(tmp_path / "s")
    for n in range(5):
        spool.append(b"%d" % n, 1.0)
    records = [spool.read(index) for index in range(5)]
    assert [1, 2, 3, 4, 5] == [spool.numbers.seq_of(r.index) for r in records if r]
    assert 3 == spool.acknowledge(3)
    assert 0 == spool.acknowledge(2)
    assert [b"3", b"4"] == rest_of(spool)
    spool.close()


def test_an_ack_of_more_than_was_sent_does_not_touch_the_rest(tmp_path: Path) -> None:
    spool = opened(tmp_path / "s")
    for n in range(5):
        spool.append(b"%d" % n, 1.0)
    spool.read(0)
    spool.acknowledge(4)
    assert [b"1", b"2", b"3", b"4"] == rest_of(spool)
    spool.close()


def test_acknowledged_segments_leave_the_disk(tmp_path: Path) -> None:
    spool = opened(tmp_path / "s")
    for n in range(100):
        spool.append(b"%04d" % n, 1.0)
    rest_of(spool)
    before = len(segments(tmp_path / "s"))
    spool.acknowledge(100)
    assert before > 10
    assert 1 == len(segments(tmp_path / "s")), "the one that is appended to"
    assert spool.size == segments(tmp_path / "s")[0].stat().st_size
    spool.close()


def test_the_oldest_is_the_first_that_is_not_acknowledged(tmp_path: Path) -> None:
    spool = opened(tmp_path / "s", segment_bytes=10_000)
    assert spool.oldest_at is None
    for second in range(10):
        spool.append(b"x", float(second))
    rest_of(spool)
    spool.acknowledge(4)
    assert 4.0 == spool.oldest_at
    spool.acknowledge(10)
    assert spool.oldest_at is None
    spool.close()


def test_a_segment_that_is_deleted_while_it_is_open_costs_only_itself(
    tmp_path: Path,
) -> None:
    spool = opened(tmp_path / "s")
    payloads = [b"%04d" % n * 20 for n in range(10)]
    for payload in payloads:
        spool.append(payload, 1.0)
    segments(tmp_path / "s")[1].unlink()
    assert 9 == len(set(rest_of(spool)) & set(payloads))
    spool.close()


def test_an_index_is_not_given_again_after_everything_is_acknowledged(
    tmp_path: Path,
) -> None:
    spool = opened(tmp_path / "s")
    for n in range(3):
        spool.append(b"%d" % n, 1.0)
    rest_of(spool)
    spool.acknowledge(3)
    spool.close()
    spool = opened(tmp_path / "s")
    assert 4 == spool.append(b"x", 1.0)
    record = spool.read(0)
    assert record is not None
    assert 4 == spool.numbers.seq_of(record.index)
    spool.close()


def test_a_refused_batch_leaves_no_gap_in_the_numbers(tmp_path: Path) -> None:
    spool = opened(tmp_path / "s")
    for n in range(4):
        spool.append(b"%d" % n, 1.0)
    rest_of(spool)
    spool.refuse(2)
    abandon(spool)
    spool = opened(tmp_path / "s")
    assert [b"0", b"2", b"3"] == rest_of(spool)
    assert 3 == spool.numbers.seq_of(4)
    spool.acknowledge(2)
    assert [b"3"] == rest_of(spool)
    spool.close()


# Two processes, and other spools


def test_two_do_not_share_a_spool(tmp_path: Path) -> None:
    spool = opened(tmp_path / "s")
    with pytest.raises(SpoolError, match="in use"):
        opened(tmp_path / "s")
    spool.close()
    opened(tmp_path / "s").close()


def test_the_spool_of_another_producer_is_not_opened(tmp_path: Path) -> None:
    opened(tmp_path / "s").close()
    with pytest.raises(SpoolError, match="spool of p/s, not q/s"):
        Spool(tmp_path / "s", "q/s", options(), epoch=1)


def test_a_segment_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    filled(tmp_path / "s", [10])
    path = segments(tmp_path / "s")[0]
    head = struct.pack("<4sHHQ", b"NCSP", 2, 0, 1)
    data = head + struct.pack("<I", zlib.crc32(head)) + path.read_bytes()[20:]
    path.write_bytes(data)
    with pytest.raises(SpoolError, match="version 2"):
        opened(tmp_path / "s")
    assert data == path.read_bytes()


# Damage


@MANY
@given(sizes=st.lists(st.integers(0, 90), min_size=1, max_size=25), data=st.data())
def test_a_tail_cut_at_any_byte_costs_what_was_cut_and_nothing_else(
    sizes: list[int], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "s"
        sent = data.draw(st.integers(0, len(sizes)), "sent")
        payloads = filled(folder, sizes, sent)
        path = segments(folder)[-1]
        whole = contents(path)
        cut = data.draw(st.integers(0, path.stat().st_size), "cut")
        os.truncate(path, cut)
        lost = sum(end > cut for end, _ in whole)
        spool = opened(folder)
        assert payloads[: len(payloads) - lost] == rest_of(spool)
        spool.append(b"later", 2.0)
        assert [*payloads[: len(payloads) - lost], b"later"] == rest_of(spool)
        spool.close()


@MANY
@given(sizes=st.lists(st.integers(0, 90), min_size=1, max_size=25), data=st.data())
def test_a_flipped_byte_costs_the_rest_of_its_segment_at_most(
    sizes: list[int], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "s"
        sent = data.draw(st.integers(0, len(sizes)), "sent")
        payloads = filled(folder, sizes, sent)
        files = [*segments(folder), folder / "state.1", folder / "state.2"]
        path = data.draw(st.sampled_from(files), "file")
        whole = contents(path) if path.suffix == ".seg" else []
        raw = bytearray(path.read_bytes())
        offset = data.draw(st.integers(0, len(raw) - 1), "byte")
        raw[offset] ^= data.draw(st.integers(1, 255), "bits")
        path.write_bytes(raw)
        spool = opened(folder)
        found = rest_of(spool)
        spool.close()
    hurt = {index for end, index in whole if end > offset}
    assert [p for i, p in enumerate(payloads, 1) if i not in hurt] == found


def test_a_missing_segment_costs_only_itself(tmp_path: Path) -> None:
    payloads = filled(tmp_path / "s", [80] * 10)
    segments(tmp_path / "s")[2].unlink()
    drops: list[Any] = []
    spool = opened(tmp_path / "s", drops)
    found = rest_of(spool)
    assert set(found) < set(payloads)
    assert [("damaged", len(payloads) - len(found))] == drops
    assert [*range(1, len(found) + 1)] == [
        spool.numbers.seq_of(payloads.index(payload) + 1) for payload in found
    ]
    spool.close()


def test_damage_of_what_may_have_been_sent_stops_until_a_new_epoch(
    tmp_path: Path,
) -> None:
    payloads = filled(tmp_path / "s", [80] * 10, sent=6)
    path = segments(tmp_path / "s")[1]
    os.truncate(path, 30)
    drops: list[Any] = []
    spool = opened(tmp_path / "s", drops)
    assert spool.has_lost_sent
    first = [spool.read(index) for index in range(len(payloads))]
    assert None in first
    spool.begin_epoch(8, keep_sent=True)
    assert not spool.has_lost_sent
    assert drops[0][0] == "damaged"
    assert set(rest_of(spool)) < set(payloads)
    spool.close()


def test_damage_that_comes_while_it_is_open_is_found_when_it_is_read(
    tmp_path: Path,
) -> None:
    spool = opened(tmp_path / "s")
    payloads = [b"%04d" % n * 20 for n in range(10)]
    for payload in payloads:
        spool.append(payload, 1.0)
    raw = bytearray(segments(tmp_path / "s")[1].read_bytes())
    raw[60] ^= 1
    segments(tmp_path / "s")[1].write_bytes(raw)
    found = rest_of(spool)
    assert set(found) < set(payloads)
    assert len(found) >= 7
    spool.close()


def test_without_its_numbers_a_spool_keeps_its_batches_under_a_new_epoch(
    tmp_path: Path,
) -> None:
    payloads = filled(tmp_path / "s", [10] * 20, sent=20)
    for name in ("state.1", "state.2"):
        (tmp_path / "s" / name).unlink()
    spool = opened(tmp_path / "s", epoch=8)
    assert 8 == spool.numbers.epoch
    assert payloads == rest_of(spool)
    spool.close()


# Limits


def test_a_full_spool_refuses_and_says_so(tmp_path: Path) -> None:
    spool = opened(tmp_path / "s", max_bytes=1000)
    with pytest.raises(SpoolFullError) as full:
        for _ in range(100):
            spool.append(b"x" * 50, 1.0)
    assert not full.value.disk
    assert spool.size <= 1000
    rest_of(spool)
    spool.acknowledge(spool.depth)
    spool.append(b"y", 1.0)
    spool.close()


def test_a_batch_that_no_empty_spool_could_take_is_an_error(tmp_path: Path) -> None:
    spool = opened(tmp_path / "s", max_bytes=1000)
    with pytest.raises(SpoolError, match="too large"):
        spool.append(b"x" * 600, 1.0)
    spool.close()


@MANY
@given(
    sizes=st.lists(st.integers(0, 90), min_size=1, max_size=60),
    sent=st.integers(0, 20),
)
def test_dropping_the_oldest_spares_what_may_have_been_sent_and_leaves_no_gap(
    sizes: list[int], sent: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        drops: list[Any] = []
        spool = opened(Path(name) / "s", drops, max_bytes=1200, overflow="drop_oldest")
        payloads, flying, after = [], [], 0
        for n, size in enumerate(sizes):
            payloads.append(b"%04d" % n + bytes(size))
            try:
                spool.append(payloads[-1], 1.0)
            except SpoolFullError:
                payloads.pop()  # all that there is may have been sent
            if len(flying) < sent and (record := spool.read(after)) is not None:
                flying.append((spool.numbers.seq_of(record.index), record))
                after = record.index
            assert spool.size <= 1200
        for seq, record in flying:
            assert seq == spool.numbers.seq_of(record.index)
        left = rest_of(spool)
        assert [record.payload for _, record in flying] == left[: len(flying)]
        assert left == [payload for payload in payloads if payload in left]
        assert len(payloads) == len(left) + sum(batches for _, batches in drops)
        assert spool.depth == len(left) == spool.sent_seq()
        abandon(spool)
        spool = opened(Path(name) / "s", max_bytes=1200)
        assert 7 == spool.numbers.epoch
        assert left == rest_of(spool)
        assert not spool.has_lost_sent, "what was dropped is not taken for damage"
        assert spool.depth == len(left) == spool.sent_seq()
        spool.close()


def test_what_is_too_old_and_was_never_sent_is_dropped(tmp_path: Path) -> None:
    drops: list[Any] = []
    spool = opened(tmp_path / "s", drops, max_age_s=80.0)
    for second in range(0, 100, 2):
        spool.append(b"%04d" % second, float(second))
        if second == 0:
            spool.read(0)
    spool.expire(150.0)
    left = [int(payload) for payload in rest_of(spool)]
    kept = [second for second in left if second >= 70]
    assert [*range(70, 100, 2)] == kept
    assert left[0] == 0, "it may have been sent"
    assert {"age"} == {reason for reason, _ in drops}
    assert 50 == len(left) + sum(batches for _, batches in drops)
    spool.close()


@pytest.mark.parametrize("written", [0, 1, 15, 16, 30])
def test_a_disk_that_is_full_leaves_no_half_record(
    tmp_path: Path, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path / "s")
    spool.append(b"first", 1.0)
    write = os.write
    room = [written]

    def short(descriptor: int, data: Any) -> int:
        if room[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(descriptor, bytes(data)[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(SpoolFullError) as full:
        spool.append(b"second" * 10, 1.0)
    assert full.value.disk
    monkeypatch.undo()
    spool.append(b"third", 1.0)
    abandon(spool)
    spool = opened(tmp_path / "s")
    assert [b"first", b"third"] == rest_of(spool)
    spool.close()


def test_a_record_that_cannot_even_be_cut_off_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path / "s")
    spool.append(b"first", 1.0)
    write = os.write

    def half(descriptor: int, data: Any) -> int:
        write(descriptor, bytes(data)[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    def stuck(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "write", half)
    monkeypatch.setattr(os, "ftruncate", stuck)
    with pytest.raises(SpoolError):
        spool.append(b"second" * 10, 1.0)
    monkeypatch.undo()
    spool.append(b"third", 1.0)
    assert [b"first", b"third"] == rest_of(spool)
    abandon(spool)
    spool = opened(tmp_path / "s")
    assert [b"first", b"third"] == rest_of(spool)
    assert 7 == spool.numbers.epoch
    spool.close()


def test_an_error_of_the_disk_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path / "s")

    def broken(*arguments: Any) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Segment, "append", broken)
    with pytest.raises(SpoolError, match="Input/output error"):
        spool.append(b"x", 1.0)
    monkeypatch.undo()
    spool.append(b"y", 1.0)
    assert [b"y"] == rest_of(spool)
    spool.close()


@pytest.mark.parametrize("fsync", ["always", "interval"])
def test_only_what_is_synced_is_given_out(tmp_path: Path, fsync: str) -> None:
    spool = opened(tmp_path / "s", fsync=fsync)
    spool.append(b"x", 1.0)
    assert spool.needs_sync
    assert spool.read(0) is None
    spool.sync()
    spool.append(b"y", 1.0)
    assert [b"x"] == rest_of(spool)
    spool.close()


def test_options_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match="4 \\* segment_bytes"):
        SpoolOptions(max_bytes=1000, segment_bytes=500)
    with pytest.raises(ValueError, match="max_age_s"):
        SpoolOptions(max_age_s=0.0)
    with pytest.raises(ValueError, match="fsync_interval_s"):
        SpoolOptions(fsync_interval_s=0.0)


# Everything at once


STEPS = st.lists(
    st.sampled_from(["append", "append", "append", "send", "ack", "kill", "close"])
    | st.tuples(st.just("refuse"), st.integers(0, 3)),
    max_size=60,
)


@MANY
@given(STEPS)
def test_whatever_is_done_every_batch_arrives_once_and_in_order(
    steps: list[Any],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        spool = opened(Path(name) / "s")
        given: list[bytes] = []
        refused: set[bytes] = set()
        server: list[bytes] = []  # what it has applied, by number
        after = 0

        def send() -> bool:
            """Send the next; the server checks its number as a server does."""
            nonlocal after
            record = spool.read(after)
            if record is None:
                return False
            after = record.index
            seq = spool.numbers.seq_of(record.index)
            if seq == len(server) + 1:
                server.append(record.payload)
            else:
                assert server[seq - 1] == record.payload
            return True

        for step in steps:
            if step == "append":
                given.append(b"%04d" % len(given))
                spool.append(given[-1], 1.0)
            elif step == "send":
                send()
            elif step == "ack":
                spool.acknowledge(len(server))
            elif step in ("kill", "close"):
                abandon(spool) if step == "kill" else spool.close()
                spool = opened(Path(name) / "s")
                spool.acknowledge(len(server))
                after = 0
            elif (record := spool.read(after)) is not None:
                spool.refuse(record.index)
                refused.add(record.payload)
        while send():
            pass
        assert [payload for payload in given if payload not in refused] == server
        spool.acknowledge(len(server))
        assert 0 == spool.depth
        spool.close()

"""A growing CSV file, followed by a gateway that is killed again and again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from integration_program import Program, in_the_journal, learned
from real_server import client_of, server_on

pytestmark = pytest.mark.integration


def gateway(file: Path, url: str, *more: str) -> Program:
    words = ("--file", str(file), "--stream", "s", *more)
    return Program("csv_gateway.py", *words, folder=file.parent, url=url)


def append(file: Path, numbers: Iterable[int]) -> None:
    """Append a line for each number, that says which it is."""
    with file.open("a") as writing:
        writing.writelines(f"12:00,{n},{n % 7 * 10}\n" for n in numbers)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "csv").mkdir()
    file = tmp_path / "csv" / "meter.csv"
    file.write_text("time,flow,pressure\n")
    return file


COLUMNS = ("--columns", "flow,pressure")


async def test_lines_reach_the_model_in_order_over_many_lives(
    file: Path, tmp_path: Path
) -> None:
    sent = 0
    async with server_on(tmp_path / "data") as server, client_of(server) as client:
        for life in range(5):
            append(file, range(sent, sent + 3000))
            async with gateway(file, server.url, *COLUMNS) as running:
                await learned(client, sent + 700 * life)
                append(file, range(sent + 3000, sent + 3100))
                await running.kill()
            sent += 3100
        async with gateway(file, server.url, *COLUMNS) as running:
            await learned(client, sent)
            assert await running.stop() == 0
    assert await in_the_journal(tmp_path / "data") == list(range(sent))


async def test_a_line_is_not_read_before_it_is_whole(
    file: Path, tmp_path: Path
) -> None:
    async with server_on(tmp_path / "data") as server, client_of(server) as client:
        async with gateway(file, server.url, *COLUMNS):
            append(file, [0])
            with file.open("a") as writing:
                writing.write("12:00,1,")
                writing.flush()
                await learned(client, 1)
                writing.write("10\n")
            append(file, [2])
            await learned(client, 3)
    assert await in_the_journal(tmp_path / "data") == [0, 1, 2]


async def test_bad_lines_are_named_and_left_out(file: Path, tmp_path: Path) -> None:
    async with server_on(tmp_path / "data") as server, client_of(server) as client:
        async with gateway(file, server.url, *COLUMNS) as running:
            with file.open("a") as writing:
                writing.write("12:00,0,1\n12:00,x,1\n12:00\n12:00,inf,1\n12:00,1,1\n")
            append(file, [2])
            await learned(client, 3)
            assert await running.stop() == 0
        assert running.log.count("left out") == 3
    assert await in_the_journal(tmp_path / "data") == [0, 1, 2]


def rotate(file: Path) -> None:
    """Put another file in its place, with the columns in another order."""
    file.rename(file.with_suffix(".1"))
    new = file.with_suffix(".new")
    lines = (f"{n % 7 * 10},{n},12:00\n" for n in range(10, 60))
    new.write_text("pressure,flow,time\n" + "".join(lines))
    new.rename(file)


def cut(file: Path) -> None:
    """Empty it where it is, and begin anew."""
    file.write_text("time,flow,pressure\n12:00,60,10\n")


async def test_a_file_that_is_replaced_is_begun_anew(
    file: Path, tmp_path: Path
) -> None:
    async with server_on(tmp_path / "data") as server, client_of(server) as client:
        async with gateway(file, server.url, *COLUMNS):
            append(file, range(10))
            await learned(client, 10)
            rotate(file)
            await learned(client, 60)
            cut(file)
            append(file, [61])
            await learned(client, 62)
    assert await in_the_journal(tmp_path / "data") == list(range(62))


async def test_a_file_without_names_has_all_columns(tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    file = tmp_path / "csv" / "numbers.csv"
    async with server_on(tmp_path / "data") as server, client_of(server) as client:
        async with gateway(file, server.url):  # it need not be there yet
            file.write_text("0,1.5\n1,2.5\n")
            await learned(client, 2)
    assert await in_the_journal(tmp_path / "data") == [0, 1]


async def test_a_column_that_is_not_there_is_named(file: Path, tmp_path: Path) -> None:
    async with server_on(tmp_path / "data") as server:
        append(file, [1])
        async with gateway(file, server.url, "--columns", "flow,weight") as running:
            assert await running.ended() == 1
            assert "the file has no column 'weight'" in running.log

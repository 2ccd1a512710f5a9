from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp.http_exceptions import BadStatusLine

import ncs_streamer
from ncs_streamer.logs import (
    SECURITY_EVENTS,
    configure_logs,
    get_log,
    without_what_was_sent,
)
from ncs_streamer.settings import Settings
from ncs_streamer.store import StreamKey

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Put back what `configure_logs` changes in the whole process."""
    root, access, loop = map(logging.getLogger, (None, "aiohttp.access", "asyncio"))
    before = (root.handlers[:], root.level, access.disabled, loop.level)
    yield
    for handler in root.handlers:
        if handler not in before[0]:
            handler.close()
    root.handlers[:], level, access.disabled, loop_level = before
    root.setLevel(level)
    loop.setLevel(loop_level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what went to the standard output since, a line an object."""
    return lambda: lines(capsys.readouterr().out)


def test_an_event_is_one_line_of_json_with_its_fields(said: Any) -> None:
    configure_logs(Settings(log_format="json"))
    get_log().info("serving", port=8000, tags=["a"])
    (line,) = said()
    assert line.pop("timestamp")
    assert line == {"event": "serving", "level": "info", "port": 8000, "tags": ["a"]}


def test_a_time_is_utc_and_iso_8601(said: Any) -> None:
    configure_logs(Settings(log_format="json"))
    get_log().info("serving")
    (line,) = said()
    assert line["timestamp"].endswith("Z")
    assert line["timestamp"][10] == "T"


def test_where_there_is_no_terminal_auto_is_json(said: Any) -> None:
    configure_logs(Settings(log_format="auto"))
    get_log().info("serving")
    assert [line["event"] for line in said()] == ["serving"]


def test_on_a_terminal_auto_is_for_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    configure_logs(Settings(log_format="auto"))
    get_log().info("serving")
    assert not capsys.readouterr().out.startswith("{")


def test_console_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(Settings(log_format="console"))
    get_log().info("serving", port=8000)
    out = capsys.readouterr().out
    assert not out.startswith("{")
    assert "serving" in out


LEVELS = ("debug", "info", "warning", "error")


@pytest.mark.parametrize("least", LEVELS)
def test_what_is_less_severe_than_the_level_is_not_logged(
    least: Any, said: Any
) -> None:
    configure_logs(Settings(log_format="json", log_level=least))
    for level in LEVELS:
        getattr(get_log(), level)(level)
    assert [line["event"] for line in said()] == [*LEVELS[LEVELS.index(least) :]]


def test_debug_logs_everything_whatever_the_level(said: Any) -> None:
    configure_logs(Settings(log_format="json", log_level="error", debug=True))
    get_log().debug("detail")
    assert [line["event"] for line in said()] == ["detail"]


def test_an_exception_is_one_line_with_its_traceback(said: Any) -> None:
    configure_logs(Settings(log_format="json"))
    try:
        raise ValueError("broken")
    except ValueError:
        get_log().exception("engine_failed")
    (line,) = said()
    assert line["level"] == "error"
    assert line["exception"].endswith("ValueError: broken")


def test_bound_context_is_on_every_line(said: Any) -> None:
    configure_logs(Settings(log_format="json"))
    structlog.contextvars.bind_contextvars(request_id="r1")
    get_log().info("one")
    get_log().info("two")
    assert [line["request_id"] for line in said()] == ["r1", "r1"]


def test_a_value_that_json_does_not_know_is_shown_all_the_same(said: Any) -> None:
    configure_logs(Settings(log_format="json"))
    get_log().info("serving", folder=Path("/data"), raw=b"\xff")
    assert "/data" in said()[0]["folder"]


def test_a_line_break_in_a_value_makes_no_second_line(said: Any) -> None:
    configure_logs(Settings(log_format="json"))
    get_log().warning("login_failed", user='x\n{"event": "forged"}')
    assert [line["event"] for line in said()] == ["login_failed"]


def test_lines_of_other_libraries_have_the_same_form(said: Any) -> None:
    configure_logs(Settings(log_format="json"))
    logging.getLogger("somebody").warning("careful %s", "now")
    (line,) = said()
    assert (line["event"], line["level"]) == ("careful now", "warning")


def test_the_access_log_of_aiohttp_is_off(said: Any) -> None:
    configure_logs(Settings(log_format="json"))
    logging.getLogger("aiohttp.access").error("GET /")
    assert said() == []


def test_configuring_twice_does_not_double_the_lines(said: Any) -> None:
    configure_logs(Settings(log_format="json"))
    configure_logs(Settings(log_format="json"))
    get_log().info("serving")
    assert len(said()) == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (BadStatusLine("Bearer eyJ.secret.x"), "bad HTTP request: BadStatusLine"),
        (ValueError("harmless"), "what"),
    ],
    ids=["of the parser", "another"],
)
def test_what_the_http_parser_choked_on_is_not_logged(
    error: Exception, line: str
) -> None:
    about = (type(error), error, None)
    record = logging.LogRecord("x", logging.ERROR, "", 1, "what", None, about)
    assert without_what_was_sent(record)
    assert record.getMessage() == line


# Files


def written(folder: Path, name: str) -> list[str]:
    return [line["event"] for line in lines((folder / name).read_text())]


def test_without_a_folder_no_file_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    configure_logs(Settings())
    get_log().warning("login_failed")
    assert [*tmp_path.iterdir()] == []


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    configure_logs(Settings(log_dir=tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b" / "app.log").exists()


def test_everything_goes_to_the_app_log(tmp_path: Path) -> None:
    configure_logs(Settings(log_dir=tmp_path))
    get_log().info("serving")
    get_log().warning("login_failed")
    assert written(tmp_path, "app.log") == ["serving", "login_failed"]


def test_files_are_json_even_beside_a_console(tmp_path: Path) -> None:
    configure_logs(Settings(log_dir=tmp_path, log_format="console"))
    get_log().info("serving", port=1)
    (line,) = lines((tmp_path / "app.log").read_text())
    assert (line["event"], line["port"]) == ("serving", 1)


@pytest.mark.parametrize("event", sorted(SECURITY_EVENTS))
def test_a_security_event_goes_to_the_security_log(tmp_path: Path, event: str) -> None:
    configure_logs(Settings(log_dir=tmp_path))
    get_log().warning(event, user="a")
    (line,) = lines((tmp_path / "security.log").read_text())
    assert (line["event"], line["user"]) == (event, "a")


def test_nothing_else_goes_to_the_security_log(tmp_path: Path) -> None:
    configure_logs(Settings(log_dir=tmp_path))
    get_log().error("engine_failed")
    logging.getLogger("somebody").error("login_failed")
    assert written(tmp_path, "security.log") == []


def fields(call: ast.Call) -> list[str]:
    """Return the names of what a line says; a stream's key says two of them."""
    return [
        name
        for word in call.keywords
        for name in (
            [word.arg]
            if word.arg
            else StreamKey._fields
            if ast.unparse(word.value).endswith("key._asdict()")
            else []
        )
    ]


@pytest.fixture(scope="module")
def said_of() -> list[tuple[str, int, list[str]]]:
    """Return file, line and fields of every line that the server can log."""
    return [
        (source.name, call.lineno, fields(call))
        for source in Path(ncs_streamer.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(source.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("log.")
    ]


def test_what_names_a_stream_names_its_tenant(said_of: Any) -> None:
    """Two tenants may have streams of one name, and most have one named `default`."""
    named = [one for one in said_of if "stream" in one[2]]
    assert len(named) > 15
    assert [] == [one for one in named if "tenant" not in one[2]]


def test_nothing_is_said_twice_in_a_line(said_of: Any) -> None:
    assert [] == [one for one in said_of if len(one[2]) != len(set(one[2]))]

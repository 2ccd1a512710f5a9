"""The units of systemd: what systemd thinks of them, and that they start programs."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from integration_program import INTEGRATIONS

pytestmark = pytest.mark.unit

UNITS = sorted((INTEGRATIONS / "systemd").glob("*.service"))
INSTALLED = "/opt/ncs/integrations"
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)


def command_of(unit: Path) -> list[str]:
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read(unit)
    return shlex.split(parsed["Service"]["ExecStart"])


def test_there_is_one_for_each_gateway() -> None:
    assert [unit.name for unit in UNITS] == [
        "ncs-csv-gateway.service",
        "ncs-mqtt-bridge.service",
        "ncs-serial-gateway@.service",
    ]


@each_unit
def test_systemd_takes_it(unit: Path, tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    assert program, "systemd-analyze is missing: sudo apt-get install systemd"
    text = unit.read_text().replace("/opt/ncs/bin/python", sys.executable)
    # It wants to see the programs, and an instance of what is a template.
    copy = tmp_path / unit.name.replace("@", "@ttyUSB0")
    copy.write_text(text.replace(INSTALLED, str(INTEGRATIONS)))
    found = subprocess.run(
        [program, "verify", "--man=no", str(copy)], capture_output=True, text=True
    )
    said = [line for line in found.stderr.splitlines() if copy.name in line]
    assert (found.returncode, said) == (0, [])


def test_systemd_would_have_found_a_mistake(tmp_path: Path) -> None:
    unit = tmp_path / "bad.service"
    unit.write_text("[Service]\nExecStart=/no/such/program\nRestrat=always\n")
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
    )
    assert found.returncode != 0
    assert "Restrat" in found.stderr


@each_unit
def test_the_program_knows_the_arguments(unit: Path) -> None:
    _, path, *words = command_of(unit)
    program = INTEGRATIONS / Path(path).relative_to(INSTALLED)
    # With a word at the end that it does not know, the others are parsed and no more.
    found = subprocess.run(
        [sys.executable, program, *words, "--nonsense"], capture_output=True, text=True
    )
    assert found.returncode == 2
    assert "unrecognized arguments: --nonsense\n" in found.stderr


@each_unit
def test_it_starts_again_and_keeps_its_state(unit: Path) -> None:
    text = unit.read_text()
    for line in ("Restart=always", "DynamicUser=yes", "WantedBy=multi-user.target"):
        assert f"\n{line}\n" in text
    assert "\nStateDirectory=ncs-" in text
    assert "API_KEY=" not in text  # it is in a file that only root can read

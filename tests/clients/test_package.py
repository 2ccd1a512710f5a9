"""What is published: the wheel's files, and its use in a project of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from real_server import server_on, token

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "clients" / "python"


PROGRAM = """
import asyncio, sys
from ncs_client import AsyncNCSClient, NCSClient

url, key = sys.argv[1:]
with NCSClient(base_url=url, api_key=key) as client:
    result = client.process_points([[1.0, 2.0], [1.1, 2.1]])
    print(len(result.clusters), client.get_algorithm_status().total_points_processed)

async def main():
    async with AsyncNCSClient(url, key) as client, client.stream() as session:
        print((await session.send([[1.0, 2.0]])).accepted)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheels of the client and of the protocol."""
    folder = tmp_path_factory.mktemp("wheels")
    for part in (ROOT / "protocol", SOURCE):
        run("pip", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, part)
    return folder


def run(*words: object, python: Path | str = sys.executable) -> str:
    command = [str(python), "-m", *map(str, words)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=280, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_has_the_package_and_nothing_else(wheels: Path) -> None:
    (wheel,) = wheels.glob("ncs_client-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        described = packed.read(next(n for n in names if n.endswith("METADATA")))
    modules = {f"ncs_client/{path.name}" for path in SOURCE.glob("ncs_client/*.py")}
    own = {name for name in names if ".dist-info/" not in name}
    assert modules | {"ncs_client/py.typed"} == own
    text = described.decode()
    assert "# ncs-client" in text  # the README
    assert "Requires-Python: >=3.11" in text


def test_what_it_imports_is_what_it_depends_on() -> None:
    described = tomllib.loads((SOURCE / "pyproject.toml").read_text())
    named = {
        requirement.partition(">")[0]
        for requirement in described["project"]["dependencies"]
    }
    assert {
        "aiohttp", "msgpack", "msgspec", "ncs-protocol", "numpy", "orjson", "urllib3",
        "websockets", "yarl",
    } == named  # fmt: skip
    for path in SOURCE.glob("ncs_client/*.py"):
        for name in ("pandas", "pyarrow", "polars"):
            assert f"import {name}" not in path.read_text(), path


def installed(wheels: Path, folder: Path) -> Path:
    """Return the Python of a clean environment that has the wheels."""
    run("venv", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    found = sorted(wheels.glob("*.whl"))
    assert 2 == len(found)
    words = ("pip", "install", "--quiet", "--disable-pip-version-check", *found)
    run(*words, python=python)
    return python


@pytest.mark.timeout(400)
async def test_a_clean_project_installs_and_uses_it(
    wheels: Path, tmp_path: Path
) -> None:
    python = await asyncio.to_thread(installed, wheels, tmp_path)
    program = tmp_path / "use.py"
    program.write_text(PROGRAM)
    async with server_on(tmp_path / "data") as server:
        words = [python, "-I", program, server.url, token()]
        process = await asyncio.create_subprocess_exec(
            *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            told, errors = await process.communicate()
    assert b"1 2\n1\n" == told, errors.decode()

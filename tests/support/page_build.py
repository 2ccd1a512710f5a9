"""The dashboard's files, built if anything in their sources is newer."""

from __future__ import annotations

import subprocess
from pathlib import Path

from node_program import ENVIRONMENT, NODE

import ncs_streamer

__all__ = ["ASSETS", "WEB", "build_page"]

ROOT = Path(__file__).parents[2]
WEB = Path(ncs_streamer.__file__).parent / "web"
ASSETS = WEB / "assets"


def build_page() -> None:
    """Build the dashboard, unless what is there is newer than its sources."""
    assert NODE.exists(), "there is no node beside this Python: run `make check` once"
    folder = ROOT / "clients" / "dashboard"
    sources = [
        *(path for path in folder.glob("*") if path.is_file()),
        *(folder / "src").rglob("*.*"),
        *(ROOT / "clients" / "javascript" / "src").rglob("*.ts"),
    ]
    newest = max(path.stat().st_mtime for path in sources)
    made = WEB / "index.html"
    if made.exists() and made.stat().st_mtime > newest:
        return
    script = ROOT / "deploy" / "setup" / "page.sh"
    subprocess.run(["sh", script], check=True, env=ENVIRONMENT)
    made.touch()

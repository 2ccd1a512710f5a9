"""What the documents say is there."""

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from dotenv import dotenv_values

from ncs_streamer.settings import load_settings, setting_rows

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
]
DOCUMENTS = [path for path in TRACKED if path.suffix == ".md"]
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text()):
        assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_links_to_headings_lead_somewhere() -> None:
    text = (ROOT / "protocol" / "README.md").read_text()
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


def test_every_test_that_the_readme_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "README.md").read_text())
    assert len(named) >= 9
    for name in named:
        assert (ROOT / name).exists(), name


def test_every_make_target_that_a_document_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    documents = ("README.md", "CONTRIBUTING.md", "protocol/README.md")
    more = ("docs/benchmarks.md", "docs/algorithm.md", "engine/README.md")
    for name in (*documents, *more):
        named = re.findall(
            r"^ {4}make ([\w-]+)|`make ([\w-]+)`", (ROOT / name).read_text(), re.M
        )
        assert {one or two for one, two in named} <= targets, name


def test_the_example_environment_sets_what_there_is_to_set(tmp_path: Path) -> None:
    example = (ROOT / ".env.example").read_text()
    commented = re.findall(r"^# ([A-Z_]+)=", example, re.MULTILINE)
    known = {name for row in setting_rows() for name in row.env}
    assert {*dotenv_values(ROOT / ".env.example"), *commented} <= known
    (tmp_path / ".env").write_text(example)
    loaded = load_settings({}, {}, folder=tmp_path)
    assert 30 == loaded.settings.max_clusters
    assert ".env NCS_MAX_CLUSTERS" == loaded.sources["max_clusters"]


def test_nothing_of_this_machine_is_in_the_tree() -> None:
    own = str(ROOT.parent) + "/"
    for path in TRACKED:
        if path.suffix in (".py", ".md", ".toml", ".yml", ".yaml", ".sh", ".js"):
            assert own not in path.read_text(), path


def test_the_pictures_are_drawn_by_a_command_and_shown() -> None:
    shown = re.findall(
        r"\]\((pictures/[^)]+)\)", (ROOT / "docs/algorithm.md").read_text()
    )
    drawn = sorted((ROOT / "docs/pictures").iterdir())
    assert sorted(shown) == [f"pictures/{path.name}" for path in drawn]
    for path in drawn:
        assert "make pictures" in path.read_text().splitlines()[0]
        ElementTree.parse(path)

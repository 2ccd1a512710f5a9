"""Write the generated parts of the documents: `make generate`.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`. With
`--check` nothing is written, and the exit code says whether everything is up to date.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import conformance
import typescript

from ncs_engine import EngineParams, params
from ncs_protocol import Code, messages
from ncs_streamer.bench.detectors import DETECTORS
from ncs_streamer.bench.generators import GENERATORS
from ncs_streamer.bench.peers import CLUSTERERS
from ncs_streamer.metrics import METRICS
from ncs_streamer.session import TRANSITIONS, State
from ncs_streamer.settings import setting_rows

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (
    ROOT / "protocol" / "README.md",
    ROOT / "engine" / "README.md",
    ROOT / "docs" / "benchmarks.md",
    ROOT / "docs" / "configuration.md",
    ROOT / "docs" / "metrics.md",
    ROOT / "clients" / "conformance" / "README.md",
)
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    """Generate or check; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [path for path in DOCUMENTS if not update(path, write=not check)]
    stale += [path for path in typescript.FILES if not rewrite(path, write=not check)]
    for path in stale:
        print(f"{'out of date' if check else 'written'}: {path.relative_to(ROOT)}")
    return int(check and bool(stale))


def update(path: Path, *, write: bool) -> bool:
    """Return whether the document was up to date already."""
    old = path.read_text()
    new = _PART.sub(lambda m: f"{m[1]}\n{PARTS[m[2]]()}\n\n{m[3]}", old)
    if write and new != old:
        path.write_text(new)
    return new == old


def rewrite(path: Path, *, write: bool) -> bool:
    """Return whether a file that is generated as a whole was up to date already."""
    old = path.read_text() if path.exists() else ""
    new = typescript.FILES[path]()
    if write and new != old:
        path.write_text(new)
    return new == old


def codes() -> str:
    """Return the table of codes."""
    rows = [
        (f"`{c.wire}`", c.http_status, c.close_code or "", c.blame, c.retry, c.meaning)
        for c in Code
    ]
    return table(("code", "HTTP", "close", "blame", "then", "meaning"), rows)


def states() -> str:
    """Return the state diagram of a session."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [
        f"  [*] --> {State.NEW.value}: handshake without a credential",
        f"  [*] --> {State.CREDITED.value}: handshake with a credential",
    ]
    for state, legal in TRANSITIONS.items():
        by_target: dict[State, list[str]] = {}
        for message, target in legal.items():
            tag = str(message.__struct_config__.tag)  # type: ignore[attr-defined]
            by_target.setdefault(target, []).append(tag)
        for target, tags in by_target.items():
            lines.append(f"  {state.value} --> {target.value}: {', '.join(tags)}")
        if state is not State.CLOSED:
            lines.append(
                f"  {state.value} --> {State.CLOSED.value}: a code that ends it"
            )
    return "\n".join([*lines, "  closed --> [*]", "```"])


def message_reference() -> str:
    """Return every message with its fields, as the source documents them."""
    source = ast.parse(Path(messages.__file__).read_text())
    blocks = []
    for node in source.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            blocks.append(_struct(node))
    return "\n\n".join(blocks)


def _struct(node: ast.ClassDef) -> str:
    kind = getattr(messages, node.name)
    tag = kind.__struct_config__.tag
    direction = ""
    if tag and kind in messages.ClientMessage.__args__:
        direction = " (client to server)"
    elif tag:
        direction = " (server to client)"
    title = f"### `{tag}`{direction}" if tag else f"### {node.name} (a part)"
    described = dict(_fields(node))
    inherited = [n for n in kind.__struct_fields__ if n not in described]
    lines = [title, "", ast.get_docstring(node) or ""]
    if described:
        rows = [
            (f"`{name}`", f"`{of_type}`".replace("|", "\\|"), default, text)
            for name, (of_type, default, text) in described.items()
        ]
        lines += ["", table(("field", "type", "default", "meaning"), rows)]
    if inherited and "stream" in inherited and "delivery" in inherited:
        lines += ["", "And the fields of every event, see [Events](#events)."]
    elif inherited:
        names = ", ".join(f"`{name}`" for name in inherited)
        lines += ["", f"And {names}, as in `{node.bases[0].id}`."]  # type: ignore[attr-defined]
    return "\n".join(lines)


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Yield (wire name, (type, default, description)); descriptions follow fields."""
    body = node.body
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if not isinstance(statement, ast.AnnAssign):
            continue
        name = statement.target.id  # type: ignore[attr-defined]
        default = "" if statement.value is None else ast.unparse(statement.value)
        if renamed := re.search(r"name='(\w+)'", default):
            name = renamed[1]
            default = "none" if "default=None" in default else ""
        if factory := re.search(r"default_factory=(?:lambda: )?(.+?)\)$", default):
            default = {"dict": "{}"}.get(factory[1], factory[1])
        text = ""
        if isinstance(following, ast.Expr) and isinstance(
            following.value, ast.Constant
        ):
            text = " ".join(str(following.value.value).split())
        shown = {"None": "none", "": "required"}.get(default, f"`{default}`")
        yield name, (_type(ast.unparse(statement.annotation)), shown, text)


def _type(annotation: str) -> str:
    """Return an annotation in words of the wire."""
    names = {
        "_Seq": "int >= 1", "_Counter": "int >= 0", "_Id": "str of 1 to 64",
        "_Token": "str", "_Name": "name", "_Names": "list[name]",
        "_Rate": "float of 0.01 to 1000", "_Share": "float >= 0",
        "_Clusters": "list[int] of 1 to 1000", "_Grant": "int of 1 to 2^30",
        "_SampleSize": "int of 1 to 10000", "_Axes": "2 or 3 of int of 0 to 9999",
        "_Seconds": "float",
        "PackedArray": "packed array", "dict[str, Any]": "object",
    }  # fmt: skip
    for alias in (
        "ResultDetail", "EventType", "DeliveryClass", "ClusterChange", "Severity"
    ):  # fmt: skip
        names[alias] = " or ".join(get_args(getattr(messages, alias)))
    for old, new in names.items():
        annotation = re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", new, annotation)
    annotation = re.sub(r"Annotated\[(.+?), Meta\(.*?\)\]", r"\1", annotation)
    return annotation.replace(" | None", "").replace("'", "")


def event_fields() -> str:
    """Return the fields that every event has."""
    source = ast.parse(Path(messages.__file__).read_text())
    for node in source.body:
        if isinstance(node, ast.ClassDef) and node.name == "_Event":
            rows = [
                (f"`{name}`", f"`{of_type}`", default, text)
                for name, (of_type, default, text) in _fields(node)
            ]
            return table(("field", "type", "default", "meaning"), rows)
    raise AssertionError("messages.py defines _Event")


def engine_parameters() -> str:
    """Return the table of engine parameters."""
    source = ast.parse(Path(params.__file__).read_text())
    node = next(
        n
        for n in source.body
        if isinstance(n, ast.ClassDef) and n.name == "EngineParams"
    )
    defaults = EngineParams().as_dict()
    rows = [
        (f"`{name}`", f"`{defaults[name]}`", text)
        for name, (_, _, text) in _fields(node)
    ]
    return table(("parameter", "default", "effect"), rows)


def settings() -> str:
    """Return the table of settings."""
    rows = []
    for row in setting_rows():
        default = "" if row.default in ("", (), None) else f"`{row.default}`"
        names = ", ".join(f"`{name}`" for name in row.env)
        rows.append((f"`{row.name}`", names, default, row.help))
    return table(("setting", "environment", "default", "meaning"), rows)


def metrics() -> str:
    """Return the table of metrics."""
    rows = [
        (f"`{m.name}`", m.kind, ", ".join(f"`{label}`" for label in m.labels), m.help)
        for m in METRICS
    ]
    return table(("metric", "kind", "labels", "meaning"), rows)


def peers() -> str:
    """Return the table of what the benchmarks compare with."""
    rows = []
    for method in (*CLUSTERERS, *DETECTORS):
        settings = ", ".join(f"{key}={value}" for key, value in method.settings.items())
        shown = f"`{settings}`" if settings else ""
        does = ", ".join(sorted(method.tasks))
        rows.append((method.name, does, method.package or "own", shown))
    return table(("method", "for", "package", "setting"), rows)


def generated_streams() -> str:
    """Return the table of the streams that need no download."""
    rows = []
    for name, (kind, tasks, _) in GENERATORS.items():
        rows.append((f"`{name}`", kind, tasks.replace(",", ", ")))
    return table(("stream", "kind", "tasks"), rows)


def scenarios() -> str:
    """Return the table of the conformance suite."""
    head = ("scenario", "proves", *conformance.sdk_names())
    return table(head, conformance.scenario_rows())


def steps() -> str:
    """Return the table of what a scenario may do."""
    return table(("step", "fields", "does"), conformance.step_rows())


def table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines)


PARTS: dict[str, Callable[[], str]] = {
    "codes": codes,
    "states": states,
    "messages": message_reference,
    "event_fields": event_fields,
    "engine_parameters": engine_parameters,
    "settings": settings,
    "metrics": metrics,
    "peers": peers,
    "generated_streams": generated_streams,
    "scenarios": scenarios,
    "steps": steps,
}

if __name__ == "__main__":
    sys.exit(main())

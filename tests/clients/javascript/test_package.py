"""What is published of the JavaScript SDK: its files, its types, what it depends on."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import pytest
from node_program import SDK, tool

pytestmark = pytest.mark.integration


def test_the_package_has_what_it_needs_and_nothing_else(tarball: Path) -> None:
    with tarfile.open(tarball) as packed:
        names = {name.removeprefix("package/") for name in packed.getnames()}
    for name in ("README.md", "LICENSE", "dist/index.js", "dist/index.d.ts"):
        assert name in names
    assert {"dist/ncs-client.js", "examples/page.html"} <= names
    tops = {name.partition("/")[0] for name in names}
    assert {"README.md", "LICENSE", "package.json", "dist", "src", "examples"} == tops


def test_its_only_dependency_is_msgpack() -> None:
    described = json.loads((SDK / "package.json").read_text())
    assert {"@msgpack/msgpack"} == described["dependencies"].keys()


def test_the_lock_file_records_no_address() -> None:
    text = (SDK / "package-lock.json").read_text()
    assert '"resolved"' not in text
    assert not re.findall(r'"(?!url|funding)[^"]*": "https?://', text)


def test_publint_and_are_the_types_wrong_find_nothing(tarball: Path) -> None:
    tool("publint", "run", str(tarball), "--strict")
    tool("attw", str(tarball), "--profile", "esm-only", "--no-emoji")


def test_a_strict_project_compiles_against_its_types(project: Path) -> None:
    (project / "use.ts").write_text(
        """
import { ClusterView, CODES, NCSClient } from 'ncs-javascript-sdk';
import type { StreamEvent, TokenReason } from 'ncs-javascript-sdk';

const token = async (why: TokenReason) => `token for ${why}`;
const client = new NCSClient({ baseUrl: 'http://host', token });
const stream = await client.startStreaming({ onReconnect: (n: number) => n });
const taken: number = (await stream.sendBatch([[1, 2]])).accepted;
stream.addEventListener('slowdown', ({ detail }) => detail.retryAfterMs.toFixed());
// @ts-expect-error there is no such event
stream.subscribe({ events: ['gossip'] });
const view = new ClusterView();
for await (const event of stream.subscribe({ events: ['drift_detection'] })) {
  view.apply(event);
  if (event.type === 'drift_detection') {
    const severity: 'low' | 'medium' | 'high' = event.data.severity;
    console.log(severity, CODES.seq_gap.retry, taken);
  } else {
    // @ts-expect-error only drift has a severity
    console.log(event.data.severity);
  }
}
export const kinds: StreamEvent['type'][] = ['snapshot', 'resumed', 'cluster_update'];
"""
    )
    options = {"strict": True, "noEmit": True, "module": "nodenext", "types": []}
    options |= {"target": "es2022", "lib": ["es2022", "dom"]}
    described = json.dumps({"compilerOptions": options, "files": ["use.ts"]})
    (project / "tsconfig.json").write_text(described)
    tool("tsc", "--project", str(project))

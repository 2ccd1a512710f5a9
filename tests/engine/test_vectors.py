"""The results do not depend on the vectors that the processor has."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ncs_engine import Engine

from .crowds import jumbled
from .kernels import native, running_on
from .streams import eventful

pytestmark = pytest.mark.unit

ENGINE = Path(__file__).parents[2] / "engine"


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """Return the compiled kernel built for the least that its processors have."""
    folder = tmp_path_factory.mktemp("baseline")
    source, library = folder / "engine", folder / "lib"
    shutil.copytree(ENGINE, source, ignore=shutil.ignore_patterns("*.so", "build"))
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", str(library)],
        cwd=source,
        env=os.environ | {"CFLAGS": "-DNCS_BASELINE"},
        check=True,
        capture_output=True,
    )
    (path,) = (library / "ncs_engine").glob("_native.*")
    spec = importlib.util.spec_from_file_location("ncs_engine._native", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_baseline_has_no_wide_vectors(baseline: ModuleType) -> None:
    assert baseline.VECTORS in ("sse2", "neon", "none")


@pytest.mark.parametrize("dimension", [1, 3, 10, 16, 17, 40])
@pytest.mark.parametrize("m", [5, 100, 256])
def test_a_partition_is_the_same_by_any_vectors(
    baseline: ModuleType, m: int, dimension: int
) -> None:
    scene = jumbled(m + dimension, m, dimension, 256)
    assert scene.partition(baseline) == scene.partition(native())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dimension", [2, 10, 33])
def test_an_engine_has_the_same_state_by_any_vectors(
    baseline: ModuleType, seed: int, dimension: int
) -> None:
    points = eventful(seed, 3000, dimension, 6).astype(np.float32)
    states = []
    for kernel in (baseline, native()):
        with running_on(kernel):
            engine = Engine()
            engine.learn(points)
            states.append(engine.snapshot())
    assert states[0] == states[1]

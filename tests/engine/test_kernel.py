"""Which kernel runs, and who decides it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ncs_engine import KERNEL_ENV, Engine, kernel_info, numpy_kernel
from ncs_engine.kernel import KernelInfo
from ncs_engine.microclusters import MicroClusters
from ncs_engine.novelty import Novelty
from ncs_engine.outliers import RecentGaps
from ncs_engine.point_loop import DUE, END, FULL, LOOK
from ncs_engine.recent import RecentPoints
from ncs_engine.standardizer import Standardizer

from .kernels import both, native, running_on, watch_over
from .streams import eventful

pytestmark = pytest.mark.unit

ENGINE = Path(__file__).parents[2] / "engine"
SHOW = "import ncs_engine; print(ncs_engine.kernel_info().name)"
HIDE = "import sys; sys.modules['ncs_engine._native'] = None; "


def loop_of(
    kernel: Any,
    micro: MicroClusters,
    recent: RecentPoints,
    gaps: RecentGaps | None = None,
    novelty: Novelty | None = None,
) -> Any:
    """Return a loop over them and over owners of the other arrays that are new."""
    return kernel.PointLoop(
        micro, Standardizer(len(micro.centres)), gaps or RecentGaps(256),
        novelty or Novelty(), watch_over(micro, recent), False, 16, 8,
    )  # fmt: skip


def python(
    code: str, *, kernel: str = "", path: Path = ENGINE
) -> subprocess.CompletedProcess[str]:
    env = os.environ | {KERNEL_ENV: kernel, "PYTHONPATH": str(path)}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, text=True, capture_output=True
    )


def test_the_expected_kernel_is_loaded() -> None:
    assert kernel_info().name == (os.environ.get(KERNEL_ENV) or "native")


@pytest.mark.parametrize("name", ["native", "numpy"])
def test_the_environment_forces_a_kernel(name: str) -> None:
    assert python(SHOW, kernel=name).stdout.strip() == name


def test_the_compiled_kernel_is_taken_where_nothing_is_said() -> None:
    assert python(SHOW).stdout.strip() == "native"


def test_without_the_compiled_kernel_numpy_stands_in() -> None:
    assert python(HIDE + SHOW).stdout.strip() == "numpy"


def test_a_compiled_kernel_that_is_missing_is_told_to_who_wants_it() -> None:
    answer = python(HIDE + SHOW, kernel="native")
    assert answer.returncode != 0
    assert f"{KERNEL_ENV}=native, but the compiled kernel cannot" in answer.stderr


def test_an_unknown_kernel_is_refused() -> None:
    answer = python(SHOW, kernel="cuda")
    assert f"{KERNEL_ENV} must be native or numpy, got 'cuda'" in answer.stderr


def test_a_kernel_is_named_with_its_vectors() -> None:
    assert str(KernelInfo("native", "avx2")) == "native (avx2)"
    assert str(KernelInfo("numpy", "")) == "numpy"


def test_the_compiled_kernel_names_its_vectors() -> None:
    with running_on(native()):
        assert kernel_info().vectors in ("sse2", "avx2", "avx512f", "neon", "none")


def test_both_kernels_have_the_same_functions() -> None:
    functions = {n for n in vars(native()) if n[0].islower()} | {"PointLoop"}
    assert functions == set(numpy_kernel.__all__)


def test_a_build_without_a_compiler_goes_on_with_numpy(tmp_path: Path) -> None:
    source = tmp_path / "engine"
    shutil.copytree(ENGINE, source, ignore=shutil.ignore_patterns("*.so", "build"))
    build = subprocess.run(
        [sys.executable, "setup.py", "build", "--build-lib", str(tmp_path / "lib")],
        cwd=source,
        env=os.environ | {"CC": "no-such-compiler"},
        text=True,
        capture_output=True,
    )
    assert build.returncode == 0, build.stderr
    assert "no-such-compiler" in build.stdout + build.stderr
    built = [path.suffix for path in (tmp_path / "lib" / "ncs_engine").iterdir()]
    assert not {".so", ".pyd"} & set(built)
    # Hidden all the same: an editable install would lend its own.
    assert python(HIDE + SHOW, path=tmp_path / "lib").stdout.strip() == "numpy"


def test_engines_in_two_threads_do_not_meet() -> None:
    streams = [eventful(seed, 3000, 6, 5).astype(np.float32) for seed in (1, 2)]
    with running_on(native()):
        alone = [Engine() for _ in streams]
        for engine, points in zip(alone, streams, strict=True):
            engine.learn(points)
        beside = [Engine() for _ in streams]
        threads = [
            threading.Thread(target=engine.learn, args=(points,))
            for engine, points in zip(beside, streams, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [e.snapshot() for e in beside] == [e.snapshot() for e in alone]


def test_other_threads_run_while_the_compiled_kernel_works() -> None:
    # A loop over so many features lasts for many switches of threads; with the GIL held
    # nobody could look before its end.
    d, n = 500, 256
    micro, recent = MicroClusters(d, 256), RecentPoints(256, d)
    rng = np.random.default_rng(0)
    for z in rng.normal(size=(256, d)):
        micro.found(z, 0)
    loop = loop_of(native(), micro, recent)
    block = rng.normal(size=(n, d))
    out = np.zeros(n, np.int64), np.zeros(n, bool), np.zeros(n, np.float32)
    seen_unfinished = False
    for _ in range(50):
        recent.ids[:] = -9
        dials = (100.0, 100.0, np.inf, 0.99, 0.06, 0.5)
        args = (block, 0, n, *out, 0, 0, 0, True, 0, *dials)
        thread = threading.Thread(target=loop.learn, args=args)
        thread.start()
        while thread.is_alive() and not seen_unfinished:
            learned = int((recent.ids != -9).sum())
            seen_unfinished = 0 < learned < n
        thread.join()
        if seen_unfinished:
            return
    raise AssertionError("no other thread ever saw a loop half done")


@pytest.mark.parametrize("kernel", both(), ids=["numpy", "native"])
def test_a_full_set_stops_the_loop_before_the_point(kernel: ModuleType) -> None:
    micro, recent = MicroClusters(1, 2), RecentPoints(4, 1)
    micro.found(np.zeros(1), 0)
    micro.found(np.ones(1), 0)
    novelty = Novelty()
    loop = loop_of(kernel, micro, recent, novelty=novelty)
    block = np.array([[0.0], [5.0], [0.0]])
    out = np.full(3, 7), np.zeros(3, bool), np.zeros(3, np.float32)
    dials = (0.5, 0.5, np.inf, 0.5, 0.06, 0.5)
    told = loop.learn(block, 0, 3, *out, 500, 0, 0, False, 0, *dials)
    assert told == (1, FULL, 0)
    assert (out[0].tolist(), recent.at, micro.count) == ([0, 7, 7], 1, 2)


BAD_CALLS = {
    "another dimension": (np.zeros((2, 2)), 0, 2),
    "a block of integers": (np.zeros((2, 3), np.int64), 0, 2),
    "beyond the block": (np.zeros((2, 3)), 0, 3),
    "before the block": (np.zeros((2, 3)), -1, 2),
}


@pytest.mark.parametrize("call", BAD_CALLS.values(), ids=BAD_CALLS)
def test_the_compiled_loop_never_leaves_its_arrays(call: object) -> None:
    loop = loop_of(native(), MicroClusters(3, 2), RecentPoints(4, 3))
    out = np.zeros(2, np.int64), np.zeros(2, bool), np.zeros(2, np.float32)
    with pytest.raises(ValueError, match="kernel: "):
        loop.learn(*call, *out, 0, 0, 0, False, 0, *[1.0] * 6)  # type: ignore[misc]


@pytest.mark.parametrize("feature", [-1, 3])
def test_a_cut_along_a_feature_that_is_not_there_is_refused(feature: int) -> None:
    micro, recent = MicroClusters(3, 2), RecentPoints(4, 3)
    watch = watch_over(micro, recent)
    watch.distribution.histogram.feature[5] = feature
    with pytest.raises(ValueError, match="feature"):
        native().PointLoop(
            micro, Standardizer(3), RecentGaps(4), Novelty(), watch, False, 16, 8
        )


def test_a_label_without_a_column_of_the_ledger_is_refused() -> None:
    micro, recent = MicroClusters(3, 2), RecentPoints(4, 3)
    watch = watch_over(micro, recent)
    micro.found(np.zeros(3), 7)
    with pytest.raises(ValueError, match="column"):
        native().PointLoop(
            micro, Standardizer(3), RecentGaps(4), Novelty(), watch, False, 16, 8
        )


@pytest.mark.parametrize("kernel", both(), ids=["numpy", "native"])
def test_a_look_that_has_no_cells_is_left_to_python(kernel: ModuleType) -> None:
    micro, recent = MicroClusters(1, 2), RecentPoints(256, 1)
    micro.found(np.zeros(1), 0)
    loop, block = loop_of(kernel, micro, recent), np.zeros((300, 1))
    out = np.zeros(300, np.int64), np.zeros(300, bool), np.zeros(300, np.float32)
    dials = (0.5, 0.5, np.inf, 0.5, 0.06, 0.5)
    told = loop.learn(block, 0, 300, *out, 500, 0, 0, False, 10**6, *dials)
    assert told == (256, LOOK, 0)


@pytest.mark.parametrize("kernel", both(), ids=["numpy", "native"])
@pytest.mark.parametrize("until", [0, 256])
def test_at_a_step_or_without_drift_there_is_no_look(
    kernel: ModuleType, until: int
) -> None:
    micro, recent = MicroClusters(1, 2), RecentPoints(256, 1)
    micro.found(np.zeros(1), 0)
    loop, block = loop_of(kernel, micro, recent), np.zeros((300, 1))
    out = np.zeros(300, np.int64), np.zeros(300, bool), np.zeros(300, np.float32)
    dials = (0.5, 0.5, np.inf, 0.5, 0.06, 0.5)
    told = loop.learn(block, 0, 300, *out, 500, 0, 0, False, until, *dials)
    assert told == (300, END, 0)


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        ("micro", "count", 3),
        ("micro", "count", -1),
        ("gaps", "at", 4),
        ("recent", "at", 4),
    ],
)
def test_numbers_beyond_their_arrays_are_refused(
    owner: str, name: str, value: int
) -> None:
    micro, gaps, recent = MicroClusters(3, 2), RecentGaps(4), RecentPoints(4, 3)
    loop = loop_of(native(), micro, recent, gaps)
    owners = {"micro": micro, "gaps": gaps, "recent": recent}
    setattr(owners[owner], name, value)
    out = np.zeros(1, np.int64), np.zeros(1, bool), np.zeros(1, np.float32)
    with pytest.raises(ValueError, match=name):
        loop.judge(np.zeros((1, 3)), *out, 0, 1.0, 1.0, 0.5)


@pytest.mark.parametrize("kernel", both(), ids=["numpy", "native"])
def test_strange_points_that_agree_stop_the_loop_once_there_is_evidence(
    kernel: ModuleType,
) -> None:
    micro, recent, novelty = MicroClusters(1, 9), RecentPoints(4, 1), Novelty()
    micro.found(np.zeros(1), 0)
    loop = loop_of(kernel, micro, recent, novelty=novelty)
    block = np.full((9, 1), 50.0)
    out = np.zeros(9, np.int64), np.zeros(9, bool), np.zeros(9, np.float32)
    dials = (0.5, 0.5, np.inf, 0.5, 0.06, 1.6 - 0.3 * novelty.gain)
    told = loop.learn(block, 0, 9, *out, 500, 20, 0, False, 0, *dials)
    # The first of them has nobody to agree with.
    assert told == (4, DUE, 0b1111)
    assert out[1].tolist() == [True] * 4 + [False] * 5

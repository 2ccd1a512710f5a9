"""Both kernels side by side, whichever of them the tests run on."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import sysconfig
from collections.abc import Iterator
from types import ModuleType
from unittest import mock

from ncs_engine import kernel, numpy_kernel


def native() -> ModuleType:
    """Return the compiled kernel; it is an error if there is none."""
    return importlib.import_module("ncs_engine._native")


@contextlib.contextmanager
def running_on(module: ModuleType) -> Iterator[None]:
    """Let engines run on that kernel."""
    with mock.patch.object(kernel, "active", module):
        yield


def both() -> list[ModuleType]:
    return [numpy_kernel, native()]


def has_compiler() -> bool:
    """Return whether a C compiler is installed here."""
    own = (sysconfig.get_config_var("CC") or "cc").split()[0]
    return any(shutil.which(name) for name in (own, "cc", "gcc", "clang"))

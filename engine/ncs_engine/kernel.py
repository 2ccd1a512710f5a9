"""Which kernel runs: the compiled one where it was built, else its twin in NumPy.

Both have the same functions under the same names and come to the same results: bit for
bit, but for the partition, which adds in another order and comes to the same groups;
`numpy_kernel` describes them. The environment variable NCS_ENGINE_KERNEL forces one:
`native` or `numpy`.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any, NamedTuple

from . import numpy_kernel

__all__ = ["KERNEL_ENV", "KernelInfo", "active", "kernel_info"]

KERNEL_ENV = "NCS_ENGINE_KERNEL"


class KernelInfo(NamedTuple):
    """The kernel in use."""

    name: str
    """`native` or `numpy`."""
    vectors: str
    """Vector instructions that the compiled one chose at load; else empty."""

    def __str__(self) -> str:
        """Return it as people read it: `native (avx2)`, `numpy`."""
        return f"{self.name} ({self.vectors})" if self.vectors else self.name


def _choose(wanted: str) -> ModuleType:
    if wanted not in ("", "native", "numpy"):
        raise ImportError(f"{KERNEL_ENV} must be native or numpy, got {wanted!r:.60}")
    if wanted == "numpy":
        return numpy_kernel
    try:
        from . import _native
    except ImportError as error:
        if wanted == "native":
            raise ImportError(
                f"{KERNEL_ENV}=native, but the compiled kernel cannot be loaded"
                f" ({error}); install a C compiler and build ncs-engine again"
            ) from None
        return numpy_kernel
    return _native


active: Any = _choose(os.environ.get(KERNEL_ENV, ""))
"""The module with the functions of the kernel."""


def kernel_info() -> KernelInfo:
    """Return which kernel is in use."""
    if active is numpy_kernel:
        return KernelInfo("numpy", "")
    return KernelInfo("native", active.VECTORS)

"""The compiled kernel; everything else is in pyproject.toml.

It is optional: where no C compiler is found, the build goes on without it, and the
engine computes the same with NumPy.
"""

import sys
from pathlib import Path

from setuptools import Extension, setup

HERE = Path(__file__).parent
NATIVE = Path("ncs_engine", "native")

# Bit-identical to NumPy: multiplications and additions may not be fused, sums may not
# be reordered. No -march: wider vectors are chosen at load (clones.h).
# Nobody reads errno after sqrt, which would keep it out of vectors. clang would make
# another function of a power of a half, with another last bit.
EXACT = ["-ffp-contract=off", "-fno-math-errno", "-fno-builtin-pow"]
FLAGS = (
    ["/O2", "/fp:precise", "/std:c11"]
    if sys.platform == "win32"
    else ["-std=gnu11", "-O3", *EXACT, "-Wall", "-Wextra"]
)

setup(
    ext_modules=[
        Extension(
            "ncs_engine._native",
            sources=sorted(str(NATIVE / p.name) for p in (HERE / NATIVE).glob("*.c")),
            depends=sorted(str(NATIVE / p.name) for p in (HERE / NATIVE).glob("*.h")),
            extra_compile_args=FLAGS,
            optional=True,
        )
    ]
)

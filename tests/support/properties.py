"""How many examples a property is tried on, and which.

The same ones at every run: what fails by chance tells nothing of a change. With
`PROPERTIES=20` twenty times as many, other ones each time.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

__all__ = ["examples", "use_profile"]

_TIMES = int(os.environ.get("PROPERTIES", "1"))


def use_profile() -> None:
    """Make this what holds for a property that says nothing else."""
    settings.register_profile("ncs", examples(100))
    settings.load_profile("ncs")


def examples(number: int, **others: Any) -> settings:
    """Return Hypothesis settings with so many examples, a decorator of tests."""
    return settings(
        deadline=None,
        derandomize=_TIMES == 1,
        max_examples=number * _TIMES,
        **others,
    )

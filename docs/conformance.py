"""The tables of clients/conformance/README.md, out of the suite itself."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

__all__ = ["scenario_rows", "sdk_names", "step_rows"]

_SUITE = Path(__file__).resolve().parent.parent / "clients" / "conformance"


def sdk_names() -> list[str]:
    """Return the SDKs that are held to the suite."""
    return [sdk.name for sdk in _part("driver").read_sdks()]


def scenario_rows() -> list[tuple[object, ...]]:
    """Return a row a scenario: its name, what it proves, and what each SDK does."""
    sdks = _part("driver").read_sdks()
    return [
        (
            scenario.name,
            scenario.proves,
            *(sdk.lacks.get(scenario.name, "passes") for sdk in sdks),
        )
        for scenario in _part("scenario").read_scenarios()
    ]


def step_rows() -> list[tuple[object, ...]]:
    """Return a row a step: its name, its fields, what it does."""
    rows: list[tuple[object, ...]] = []
    for name, kind in _part("steps").STEPS.items():
        fields = ", ".join(f"`{field}`" for field in kind.__struct_fields__)
        rows.append((f"`{name}`", fields, " ".join(kind.__doc__.split())))
    return rows


def _part(name: str) -> ModuleType:
    """Return a module of the suite, which is not installed."""
    if str(_SUITE) not in sys.path:
        sys.path.insert(0, str(_SUITE))
    return __import__(f"ncs_conformance.{name}", fromlist=[name])

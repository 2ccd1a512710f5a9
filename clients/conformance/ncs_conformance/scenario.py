"""Scenarios: what is done to an SDK, step by step, and what it has to say; in YAML."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import yaml
from msgspec import Struct, convert

from .driver import HOME
from .steps import STEPS, Step

__all__ = ["Scenario", "read_scenarios"]


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """A scenario as it is written.

    Attributes:
        name: in the table.
        proves: one sentence.
        steps: each a name of `STEPS` and its fields.
        codec: of the session.
        flags: of the server, beside those that all have.
        own_server: whether the server is touched, so that nobody else may use it.
    """

    name: str
    proves: str
    steps: list[dict[str, Any]]
    codec: Literal["json", "msgpack"] = "msgpack"
    flags: list[str] = []
    own_server: bool = False

    def play(self) -> list[Step]:
        """Return the steps.

        Raises:
            msgspec.ValidationError: if one is not what the step has.
            KeyError: if there is no such step.
        """
        return [
            convert(fields or {}, STEPS[name])
            for step in self.steps
            for name, fields in step.items()
        ]


def read_scenarios(folder: Path = HOME / "scenarios") -> list[Scenario]:
    """Return all scenarios of a folder."""

    def each() -> Iterable[Scenario]:
        for path in sorted(folder.glob("*.yaml")):
            yield from convert(yaml.safe_load(path.read_text()), list[Scenario])

    return list(each())

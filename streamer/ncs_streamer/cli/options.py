"""Command-line options that several commands share: the settings, and the client's."""

from __future__ import annotations

import argparse
import math
import os
import sys
import types
import typing
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from ..settings import Loaded, Row, load_settings, setting_rows

__all__ = [
    "add_client_options",
    "add_settings",
    "counts",
    "credential_of",
    "positive",
    "say_reconnect",
    "settings_of",
]

_N = TypeVar("_N", int, float)
_WORDS: dict[Any, str] = {int: "whole number", float: "number"}


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every setting, and one for the settings file."""
    group = parser.add_argument_group("settings", "each is also NCS_<NAME>")
    group.add_argument("--config", type=Path, metavar="FILE", help="YAML file")
    for row in setting_rows():
        group.add_argument(
            row.flag,
            dest=f"setting_{row.name}",
            metavar=_metavar(row),
            help=f"{row.help} [{_shown(row)}]".replace("%", "%%"),
        )


def settings_of(args: argparse.Namespace) -> Loaded:
    """Return the settings that flags, environment and files give."""
    flags = {row.name: getattr(args, f"setting_{row.name}") for row in setting_rows()}
    return load_settings(flags, os.environ, config=args.config)


def positive(kind: type[_N]) -> Callable[[str], _N]:
    """Return the argument type for a number above 0."""

    def parse(text: str) -> _N:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no {_WORDS[kind]}") from None
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    return parse


def counts(text: str) -> tuple[int, ...]:
    """Take whole numbers above 0, separated by commas."""
    return tuple(map(positive(int), text.split(",")))


def say_reconnect(attempt: int) -> None:
    """Tell the terminal that the connection is gone and is being made again."""
    if attempt == 1:
        print("ncs: connection lost; trying again", file=sys.stderr, flush=True)


def _address(text: str) -> str:
    parts = urllib.parse.urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is not like http://host:port")
    return text


def add_client_options(parser: argparse.ArgumentParser) -> None:
    """Add what a command needs that talks to a running server."""
    parser.add_argument(
        "--url",
        type=_address,
        default=os.environ.get("NCS_URL", "http://127.0.0.1:8000"),
        help="the server [NCS_URL, http://127.0.0.1:8000]",
    )
    parser.add_argument(
        "--key", default=None, help="API key or token [NCS_API_KEY]", metavar="KEY"
    )
    parser.add_argument(
        "--stream", default="default", help="name of the stream [default]"
    )


def credential_of(args: argparse.Namespace) -> str:
    """Return the credential, from the flag or the environment.

    A flag is seen by other users of the machine in the process list; the environment is
    not.
    """
    key = args.key or os.environ.get("NCS_API_KEY")
    if not key:
        raise SystemExit("ncs: no credential: give --key or set NCS_API_KEY")
    return str(key)


def _metavar(row: Row) -> str:
    annotation = row.annotation
    if typing.get_origin(annotation) is Literal:
        return "{" + ",".join(typing.get_args(annotation)) + "}"
    if isinstance(annotation, types.UnionType):
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) is tuple:
        return "A,B,..."
    return str(annotation.__name__).upper()


def _shown(row: Row) -> Any:
    if row.default in ("", ()):
        return "none"
    return "off" if row.default is None else row.default

"""`ncs token`: sign a token with this machine's secret, for services and tests."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ncs_protocol import check_name

from ..auth import SCOPES, TokenIssuer
from ..server import signing_secret
from ..settings import SettingsError
from .options import add_settings, positive, settings_of

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("token", help="make an access token")
    parser.add_argument("--tenant", default="default")
    parser.add_argument("--subject", default="cli", help="who it is for, in logs")
    parser.add_argument("--scopes", default="read,write", help=", ".join(SCOPES))
    parser.add_argument(
        "--minutes", type=positive(float), help="lifetime [the setting's]"
    )
    add_settings(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    settings = settings_of(args).settings
    scopes = tuple(args.scopes.split(","))
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise SettingsError(f"{unknown[0]!r} is no scope: {', '.join(SCOPES)}")
    check_name("tenant", args.tenant)
    minutes = args.minutes or settings.access_token_expire_minutes
    issuer = TokenIssuer(signing_secret(settings), 60 * minutes)
    print(
        issuer.issue(
            subject=args.subject, tenant=args.tenant, scopes=scopes, now=time.time()
        )
    )

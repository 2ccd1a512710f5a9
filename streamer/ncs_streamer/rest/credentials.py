"""Logging in, and managing API keys, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from ncs_protocol import Code, NcsError

from ..auth import ApiKey, make_key
from ..logs import get_log
from .context import principal_of, read_body, read_bytes, reply, server_of
from .middleware import client_ip
from .shapes import (
    ApiKeyCreated,
    ApiKeyRequest,
    ApiKeyRow,
    LoginRequest,
    TokenReply,
)

__all__ = ["create_key", "list_keys", "login", "revoke_key"]

_DAY_S = 86_400.0

log = get_log()


async def login(request: web.Request) -> web.Response:
    """Exchange a user name and a password for a token."""
    server = server_of(request)
    credentials = await _credentials(request)
    try:
        token = await server.authenticator.login(
            credentials.username, credentials.password, server.clock.now()
        )
    except NcsError as error:
        # Not the name: people type their password into the wrong field.
        log.warning("login_failed", source_ip=client_ip(request))
        server.metrics.count("ncs_auth_failures_total", error.code.wire)
        raise
    lifetime = int(server.issuer.lifetime_s)
    return reply(TokenReply(access_token=token, expires_in=lifetime))


async def _credentials(request: web.Request) -> LoginRequest:
    if request.content_type != "application/x-www-form-urlencoded":
        return await read_body(request, LoginRequest)
    body = await read_bytes(request)
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
        known = {k: v for k, v in form.items() if k in LoginRequest.__struct_fields__}
        return msgspec.convert(known, LoginRequest)
    except msgspec.ValidationError as error:
        raise NcsError(Code.INVALID_MESSAGE, str(error)) from None
    except ValueError as error:
        raise NcsError(Code.MALFORMED_FRAME, f"not a form: {error}") from None


async def create_key(request: web.Request) -> web.Response:
    """Make an API key; it is shown in this reply and never again."""
    server, principal = server_of(request), principal_of(request)
    body = await read_body(request, ApiKeyRequest)
    for scope in body.permissions:
        principal.require(scope)
    now = server.clock.now()
    days = body.expires_in_days
    key, row = make_key(
        environment=server.settings.environment,
        name=body.name,
        tenant=principal.tenant,
        permissions=tuple(dict.fromkeys(body.permissions)),
        now=now,
        expires_at=None if days is None else now + days * _DAY_S,
    )
    await server.store.directory.put_key(row)
    log.info("api_key_created", key_id=row.key_id, name=row.name, by=principal.subject)
    return reply(ApiKeyCreated(api_key=key, **_row(row)), status=201)


async def list_keys(request: web.Request) -> web.Response:
    """List the tenant's API keys."""
    directory = server_of(request).store.directory
    keys = await directory.keys(principal_of(request).tenant)
    return reply([ApiKeyRow(**_row(key)) for key in keys])


async def revoke_key(request: web.Request) -> web.Response:
    """Make an API key unusable, and end the sessions that it opened."""
    server, principal = server_of(request), principal_of(request)
    key_id = request.match_info["key_id"]
    if not await server.store.directory.revoke_key(key_id, principal.tenant):
        raise NcsError(Code.NOT_FOUND, "there is no API key with this id")
    log.info("api_key_revoked", key_id=key_id, by=principal.subject)
    await server.revoked()
    return web.Response(status=204)


def _row(key: ApiKey) -> dict[str, Any]:
    expires = key.expires_at
    return {
        "key_id": key.key_id,
        "name": key.name,
        "prefix": key.prefix,
        "permissions": list(key.permissions),
        "is_active": key.is_active,
        "created_at": datetime.fromtimestamp(key.created_at, UTC),
        "expires_at": None if expires is None else datetime.fromtimestamp(expires, UTC),
    }

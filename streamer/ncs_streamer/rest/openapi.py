"""The OpenAPI document, made from the route table and the body types."""

from __future__ import annotations

import functools
import re
from typing import Any

import msgspec

from ncs_protocol import Limits

from .. import __version__
from .table import Route

__all__ = ["openapi"]

_REF = "#/components/schemas/{name}"


@functools.cache
def openapi() -> dict[str, Any]:
    """Return the document (OpenAPI 3.1)."""
    from .routes import ROUTES  # the table names handlers, one of which gives this

    types = [t for route in ROUTES for t in (route.body, route.answer) if t is not None]
    schemas, components = msgspec.json.schema_components(
        types, ref_template=_REF, schema_hook=_schema_of_array
    )
    by_type = {repr(t): schema for t, schema in zip(types, schemas, strict=True)}
    paths: dict[str, Any] = {}
    for route in ROUTES:
        for number, path in enumerate((route.path, *route.aliases)):
            operation = _operation(route, by_type)
            if number:
                operation["operationId"] += f"_alias_{number}"
            paths.setdefault(path, {})[route.method.lower()] = operation
    components["Error"] = {
        "type": "object",
        "required": ["detail", "request_id"],
        "properties": {
            "detail": {"description": "A sentence, or for 422 a list of places."},
            "error_code": {"type": "string"},
            "reason": {"type": "string"},
            "retry_after": {"type": "integer"},
            "request_id": {"type": "string"},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "NeuroCluster Streamer",
            "version": __version__,
            "description": "The REST side-door; live streams go over /ws.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": route.handler.__name__,
        "responses": {str(route.status): _answer(route, schemas)},
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    parameters += [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in route.query
    ]
    parameters += [
        {
            "name": name,
            "in": "header",
            "description": text,
            "schema": {"type": "string"},
        }
        for name, text in route.headers
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        schema = {"schema": schemas[repr(route.body)]}
        kinds = ["application/json", "application/msgpack"]
        if route.tier == "login":
            kinds = ["application/x-www-form-urlencoded", "application/json"]
        operation["requestBody"] = {
            "required": True,
            "content": dict.fromkeys(kinds, schema),
        }
    if route.scope is not None:
        operation["security"] = [{"bearer": []}, {"apiKey": []}]
        operation["description"] = f"Needs the scope `{route.scope}`."
    error = {"schema": {"$ref": _REF.format(name="Error")}}
    operation["responses"]["default"] = {
        "description": "Refused or failed.",
        "content": {"application/json": error},
    }
    return operation


def _answer(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "Done."}
    if route.answer is not None:
        schema = {"schema": schemas[repr(route.answer)]}
        answer["content"] = {"application/json": schema}
    elif route.media_type:
        answer["content"] = {route.media_type: {"schema": {"type": "string"}}}
    return answer


def _schema_of_array(kind: Any) -> dict[str, Any]:
    return {
        "type": "string",
        "contentEncoding": "base64",
        "description": "A packed array, see the protocol's specification; at most"
        f" {Limits().max_elements} elements.",
    }

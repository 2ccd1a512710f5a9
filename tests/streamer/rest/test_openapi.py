"""The OpenAPI document: whole, valid, and true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

import ncs_streamer
from ncs_streamer.rest.openapi import openapi
from ncs_streamer.rest.routes import ROUTES
from ncs_streamer.rest.table import Route

from .client import PROCESS, Api, blob

pytestmark = pytest.mark.integration

ROWS = [(route, path) for route in ROUTES for path in (route.path, *route.aliases)]
each_row = pytest.mark.parametrize(
    ("route", "path"), ROWS, ids=[f"{route.method} {path}" for route, path in ROWS]
)
OPERATIONS = [
    (f"{method} {path}", operation)
    for path, methods in openapi()["paths"].items()
    for method, operation in methods.items()
]
each_operation = pytest.mark.parametrize(
    "operation", [o for _, o in OPERATIONS], ids=[name for name, _ in OPERATIONS]
)


def operation_of(route: Route, path: str) -> Any:
    return openapi()["paths"][path][route.method.lower()]


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in the document."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from nodes(item)


def check(schema: dict[str, Any], value: Any) -> None:
    """Raise unless the value fits the schema, with the document's components."""
    whole = schema | {"components": openapi()["components"]}
    validator = Draft202012Validator(whole, format_checker=FormatChecker())
    validator.validate(value)


def answer_schema(path: str, method: str = "get", status: str = "200") -> Any:
    answer = openapi()["paths"][path][method]["responses"][status]
    return answer["content"]["application/json"]["schema"]


async def test_the_document_is_served_as_json(api: Api) -> None:
    answer = await api.get("/openapi.json", credential=None)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json == openapi()


def test_the_document_says_what_it_is() -> None:
    document = openapi()
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["version"] == ncs_streamer.__version__
    assert document["info"]["title"]
    fields = {"openapi", "info", "paths", "components", "servers", "tags"}
    assert document.keys() <= fields


@each_row
def test_every_route_is_in_the_document(route: Route, path: str) -> None:
    assert operation_of(route, path)["summary"] == route.summary


def test_nothing_else_is_in_the_document() -> None:
    shown = {name for name, _ in OPERATIONS}
    assert shown == {f"{route.method.lower()} {path}" for route, path in ROWS}


@each_row
def test_an_operation_asks_for_a_credential_if_it_needs_one(
    route: Route, path: str
) -> None:
    operation = operation_of(route, path)
    if route.scope is None:
        assert "security" not in operation
    else:
        assert operation["security"] == [{"bearer": []}, {"apiKey": []}]
        assert f"`{route.scope}`" in operation["description"]


def test_every_scheme_that_is_asked_for_is_described() -> None:
    described = openapi()["components"]["securitySchemes"].keys()
    asked = {
        name
        for _, operation in OPERATIONS
        for choice in operation.get("security", [])
        for name in choice
    }
    assert asked == described


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [operation["operationId"] for _, operation in OPERATIONS]
    assert len(ids) == len(set(ids))


@each_row
def test_the_parameters_are_those_of_the_path_and_the_query(
    route: Route, path: str
) -> None:
    given = operation_of(route, path).get("parameters", [])
    in_path = [p["name"] for p in given if p["in"] == "path"]
    in_query = [p["name"] for p in given if p["in"] == "query"]
    assert in_path == re.findall(r"{(\w+)}", path)
    assert in_query == [name for name, _ in route.query]
    assert all(p["required"] for p in given if p["in"] == "path")


@each_operation
def test_every_answer_is_described(operation: Any) -> None:
    assert operation["responses"].keys() >= {"default"}
    assert len(operation["responses"]) >= 2
    assert all(answer["description"] for answer in operation["responses"].values())


def test_every_reference_leads_somewhere() -> None:
    document = openapi()
    references = {node["$ref"] for node in nodes(document) if "$ref" in node}
    assert references
    for reference in references:
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_schema_is_a_json_schema() -> None:
    document = openapi()
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for node in nodes(document["paths"]):
        if "schema" in node:
            Draft202012Validator.check_schema(node["schema"])


def test_no_component_is_without_use() -> None:
    document = openapi()
    used = {
        node["$ref"].rpartition("/")[2] for node in nodes(document) if "$ref" in node
    }
    assert document["components"]["schemas"].keys() == used


# The document is true


@pytest.mark.parametrize("points", [[[1.0, 2.0]], [*blob(300), [1e5, 1e5]]])
async def test_a_reply_of_process_points_fits_its_schema(api: Api, points: Any) -> None:
    check(answer_schema(PROCESS, "post"), (await api.process(points)).json)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/clusters_summary",
        "/api/v1/algorithm_status",
        "/api/v1/streams",
        "/api/v1/algorithm/config",
        "/api/v1/auth/api-keys",
        "/health",
    ],
)
async def test_what_is_read_fits_its_schema(api: Api, path: str) -> None:
    check(answer_schema(path), (await api.get(path)).json)
    await api.key()
    await api.process(blob(300))
    check(answer_schema(path), (await api.get(path)).json)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("patch", "/api/v1/algorithm/config", {"params": {"max_clusters": 7}}, "200"),
        ("post", "/api/v1/algorithm/reset", {"confirm": True}, "200"),
        ("post", "/api/v1/auth/api-keys", {"name": "new"}, "201"),
    ],
)
async def test_what_is_changed_fits_its_schema(
    api: Api, method: str, path: str, body: Any, status: str
) -> None:
    answer = await api.call(method.upper(), path, json=body)
    assert str(answer.status) == status
    check(answer_schema(path, method, status), answer.json)


@pytest.mark.parametrize("body", [{"points": [[]]}, {"points": [[1.0]], "a": 1}])
async def test_an_error_fits_its_schema(api: Api, body: Any) -> None:
    check(
        answer_schema(PROCESS, "post", "default"),
        (await api.post(PROCESS, json=body)).json,
    )


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ({"points": [[1, 2.5]]}, True),
        ({"points": [[1.0]], "stream": "a", "metadata": {"a": 1}}, True),
        ({"array": "AAAA"}, True),
        ({"points": [["a"]]}, False),
        ({"points": [1.0]}, False),
        ({"points": [[1.0]], "colour": 1}, False),
        ({"points": [[1.0]], "batch_mode": "yes"}, False),
    ],
)
def test_the_schema_of_a_request_takes_what_the_server_takes(
    body: Any, fits: bool
) -> None:
    content = openapi()["paths"][PROCESS]["post"]["requestBody"]["content"]
    schema = content["application/json"]["schema"]
    if fits:
        check(schema, body)
    else:
        with pytest.raises(ValidationError):
            check(schema, body)

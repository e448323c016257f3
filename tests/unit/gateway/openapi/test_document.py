"""The OpenAPI document is whole: each operation of each route has what a reader and a generator need."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any, cast

import pytest
from fastapi.routing import APIRoute
from openapi_spec_validator import validate
from starlette.routing import Route
from tests.openapi import APP, DOCUMENT, validator

from heliograph_common.http.problems import MEDIA_TYPE
from heliograph_gateway.app import ROUTERS
from heliograph_gateway.http.problems import KINDS
from heliograph_gateway.openapi import document as openapi

Operation = dict[str, Any]


OPERATIONS = list(openapi.operations(DOCUMENT))
_NOT_IN_IT = {"/openapi.json"}
_OPEN = {"showTusAbilities", "showTusUploadAbilities"}
"""Operations of the API that need no token."""


def _id(value: object) -> str:
    return value["operationId"] if isinstance(value, dict) else str(value)


every_operation = pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=_id)


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    validate(DOCUMENT)


def test_the_same_code_makes_the_same_bytes() -> None:
    program = (
        "import json\n"
        "from heliograph_common.runtime.health import Health\n"
        "from heliograph_gateway.app import api\n"
        "from heliograph_gateway.settings import GatewaySettings\n"
        "class Nothing:\n"
        "    def get(self, _): return None\n"
        "print(json.dumps(api(Nothing(), Health(), GatewaySettings()).openapi()))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "4"}
    other = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == json.dumps(DOCUMENT)


def test_no_route_is_left_out() -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert {route.path_format for route in routes} <= DOCUMENT["paths"].keys()
    assert {route.path_format for route in APP.routes if isinstance(route, Route)} - _NOT_IN_IT <= DOCUMENT[
        "paths"
    ].keys()


@every_operation
def test_every_operation_is_described(path: str, method: str, operation: Operation) -> None:
    assert re.fullmatch(r"[a-z]+([A-Z][a-z0-9]+)*", operation["operationId"])
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    assert all(response["description"] for response in operation["responses"].values())
    assert any(status[0] in "23" for status in operation["responses"]), f"{method} {path} never works"


def test_no_bound_of_a_field_is_lost() -> None:
    """Pydantic writes ``ge`` for ``minimum`` where a validator stands before a field's bounds."""

    def keys(node: object) -> set[str]:
        if isinstance(node, dict):
            return set(node).union(*map(keys, node.values()))
        return set().union(*map(keys, node)) if isinstance(node, list) else set()

    assert not keys(DOCUMENT) & {"ge", "gt", "le", "lt", "min_length", "max_length", "multiple_of"}


def test_operation_ids_are_unique() -> None:
    identifiers = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(identifiers) == len(set(identifiers))


@every_operation
def test_every_example_is_valid(path: str, method: str, operation: Operation) -> None:
    for parameter in operation.get("parameters", ()):
        for value in _examples(parameter, f"{method} {path} {parameter['name']}"):
            validator(parameter["schema"]).validate(value)
    bodies = [operation["requestBody"]] if "requestBody" in operation else []
    for holder in (*bodies, *operation["responses"].values()):
        for media_type, content in holder.get("content", {}).items():
            if media_type.endswith("json"):
                for value in _examples(content, f"{method} {path} {media_type}"):
                    validator(content["schema"]).validate(value)


def _examples(holder: dict[str, Any], where: str) -> list[Any]:
    named = [_resolved(example)["value"] for example in holder.get("examples", {}).values()]
    found = [*named, holder["example"]] if "example" in holder else named
    assert found, f"{where} has no example"
    return found


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    found: Any = node
    while "$ref" in found:
        reference, found = found["$ref"], DOCUMENT
        for key in reference.removeprefix("#/").split("/"):
            found = found[key]
    return cast("dict[str, Any]", found)


@every_operation
def test_every_refusal_of_the_api_is_a_problem_with_a_page(path: str, method: str, operation: Operation) -> None:
    if not path.startswith("/v1/") or operation["operationId"] in _OPEN:  # older systems' routes refuse as those did
        return
    refusals = {status: answer for status, answer in operation["responses"].items() if status[0] in "45"}
    assert {"400", "401", "403", "500", "503"} <= refusals.keys()
    for status, answer in refusals.items():
        assert list(answer["content"]) == [MEDIA_TYPE], (method, path, status)
        for slug, example in answer["content"][MEDIA_TYPE]["examples"].items():
            assert _resolved(example)["value"]["status"] == KINDS[slug].status == int(status)
            assert KINDS[slug].type in answer["description"]


@every_operation
def test_every_operation_of_the_api_names_its_scope(path: str, method: str, operation: Operation) -> None:
    if path.startswith("/v1/") and operation["operationId"] not in _OPEN:
        [needed] = operation["security"]
        assert list(needed) == ["bearer"]
        assert needed["bearer"], (method, path)
        assert all(f"`{scope}`" in operation["description"] for scope in needed["bearer"])


def test_every_kind_of_problem_is_named_with_its_page() -> None:
    type_ = DOCUMENT["components"]["schemas"]["ProblemDocument"]["properties"]["type"]
    assert type_["examples"] == [kind.type for kind in KINDS.values()]
    assert all(f"]({kind.type})" in type_["description"] for kind in KINDS.values())


@every_operation
def test_headers_that_clients_rely_on_are_documented(path: str, method: str, operation: Operation) -> None:
    for status, answer in operation["responses"].items():
        expected = {"Trace-Id"}
        expected |= {"ETag"} if status == "304" else set()
        expected |= {"Location"} if status in {"201", "302"} else set()
        expected |= {"WWW-Authenticate"} if status == "401" else set()
        expected |= {"Retry-After"} if status in {"429", "503"} and path != "/readyz" else set()
        assert expected <= answer["headers"].keys(), (method, path, status)
        assert all(_resolved(header)["description"] for header in answer["headers"].values())


def test_links_lead_to_what_can_be_done_with_a_new_image() -> None:
    created = DOCUMENT["paths"]["/v1/images"]["post"]["responses"]["201"]
    assert {"getImage", "deleteImage", "retryImage"} <= created["links"].keys()

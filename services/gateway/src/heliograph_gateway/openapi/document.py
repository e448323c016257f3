"""The OpenAPI 3.1 document: what FastAPI reads off the routes, and what holds for all of them.

``app.py`` serves it. Everything that a rule can tell (operation ids, scopes, headers, examples, links, problems of every
route) is added here, so that a new route has it by itself; what only the route knows stands at the route. The document
depends on the code alone: the same code makes the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter

from heliograph_common.http.problems import MEDIA_TYPE, Kind, Problem
from heliograph_common.runtime.health import Report
from heliograph_gateway.http.bodies import Documented
from heliograph_gateway.http.problems import BODY_TIMEOUT, KINDS, RATE_LIMITED
from heliograph_gateway.http.responses import add_problem
from heliograph_gateway.http.schemas import ProblemDocument
from heliograph_gateway.idempotency import middleware as idempotency
from heliograph_gateway.openapi.examples import BY_NAME, example_of

Object = dict[str, Any]

DESCRIPTION = """\
Errors are problem details (RFC 9457): their `type` is the address of a page that says what to do; all are listed under
[/problems](/problems). Times are RFC 3339 in UTC. Pages lead on by `Link: rel="next"` and by `next` in the body. Every POST
takes an `Idempotency-Key`. A `traceparent` is accepted, and every answer has its `Trace-Id`."""

TAGS = {
    "images": "Take pictures in, list, show, delete and retry them.",
    "direct uploads": "Files that go past the gateway, straight into the object store, one or many at a time.",
    "resumable uploads": "Uploads that go on where they broke off: tus 1.0, for its clients.",
    "queue": "How much work waits, and since when.",
    "dead letters": "What could not be handled, for administrators.",
    "quarantine": "Messages that can never be published as they are, for administrators.",
    "settings": "What administrators may change at run time.",
    "checks": "Rows compared with objects and streams, for administrators.",
    "compat": "The routes of the systems that Heliograph replaces, in their shapes, for clients that know no others. "
    "Refusals are problems with an `error` that says what `detail` says.",
    "about": "What needs no token: pages that explain, and probes.",
}

HEADERS: dict[str, tuple[str, Object]] = {
    "Trace-Id": ("The trace of this request; name it when you report a problem.", {"pattern": "^[0-9a-f]{32}$"}),
    "ETag": ("The strong entity tag of this representation, for `If-None-Match` and `If-Match`.", {}),
    "Link": ('`<…>; rel="next"`: the next page; missing on the last.', {}),
    "Location": ("Where what the request made or began is.", {"format": "uri-reference"}),
    "Retry-After": ("Seconds after which the same request may fare better.", {"type": "integer", "minimum": 0}),
    "WWW-Authenticate": ("The scheme that is asked for (RFC 6750).", {}),
    "Idempotency-Replayed": ("`true`: the answer to an earlier request with the same key.", {"const": "true"}),
    "RateLimit": ("What is left of the quota, and the seconds until there is more.", {}),
    "RateLimit-Policy": ("The quota and its window in seconds.", {}),
}
"""Response headers that several operations have; each is a component of the document under its name."""

_COME_BACK_LATER = {"not-rendered-yet", "idempotency-in-flight"}
"""Kinds of problems with Retry-After, of whose statuses others come without."""
_ALWAYS = {"Trace-Id", "Retry-After", "WWW-Authenticate"}
"""Those that are never missing where ``_add_headers`` puts them."""

_RESOURCES = {
    "ImageShape": ("image_id", "/id"),
    "DirectUploadShape": ("upload_id", "/id"),
    "ImagePage": ("image_id", "/images/0/id"),
    "DeadLetterPage": ("letter_id", "/dead_letters/0/id"),
    "QuarantinePage": ("message_id", "/messages/0/id"),
    "CheckShape": ("check_id", "/id"),
    "CheckPage": ("check_id", "/checks/0/id"),
}
"""Which path parameter is found where in an answer of this shape: it links to all operations that take it."""

_LINKED_WITH = {"name": "original"}
"""What a link gives for a further path parameter; operations with others are not linked."""

_PROBES = {
    "/livez": ("getLiveness", "Whether the process lives", {"200": "text/plain"}),
    "/readyz": (
        "getReadiness",
        "Whether it can serve, and each server that it needs",
        {"200": "application/json", "503": "application/json"},
    ),
}
_PROBE_ANSWERS: dict[str, Object] = {
    "text/plain": {"schema": {"type": "string"}, "example": "ok"},
    "application/json": {
        "schema": {"$ref": "#/components/schemas/Report"},
        "example": {"status": "degraded", "checks": {"nats": {"status": "failed", "detail": "not connected"}}},
    },
}


def operation_id(route: APIRoute) -> str:
    """The function's name in camel case. Clients are generated with it: it must not change."""
    first, *rest = route.name.split("_")
    return first + "".join(word.title() for word in rest)


def document(app: FastAPI, routes: Sequence[APIRoute], headers: Mapping[str, tuple[str, Object]]) -> Object:
    """The whole document. ``routes``: those of the API; ``headers``: response headers that only some feature has, each with
    its description and schema."""
    made = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": description} for name, description in TAGS.items()],
        servers=[{"url": "/", "description": "This installation"}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    _add_probes(made)
    _drop_titles(made["paths"])
    _drop_titles(made["components"])
    _add_components(made["components"], _request_models(routes), {**HEADERS, **headers})
    for path, method, operation in operations(made):
        _complete(operation, post=method == "post" and path.startswith("/v1/"))
    for _, _, operation in operations(made):
        _add_links(made, operation)
        _add_examples(operation, made["components"]["schemas"])
        operation["responses"] = dict(sorted(operation["responses"].items()))
    return made


def operations(made: Object) -> Iterator[tuple[str, str, Object]]:
    """Path, method and operation of each operation of a document."""
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _add_probes(made: Object) -> None:
    """The routes of ``runtime.management``, which every service has and FastAPI cannot read."""
    report = TypeAdapter(Report).json_schema(ref_template="#/components/schemas/{model}")
    made["components"]["schemas"] |= {**report.pop("$defs"), "Report": report}
    for path, (identifier, summary, answers) in _PROBES.items():
        responses = {
            status: {"description": "Yes" if status == "200" else "No", "content": {kind: dict(_PROBE_ANSWERS[kind])}}
            for status, kind in answers.items()
        }
        made["paths"][path] = {
            "get": {
                "tags": ["about"],
                "summary": summary,
                "description": "For whoever runs the process.",
                "operationId": identifier,
                "responses": responses,
            }
        }


def _drop_titles(node: Any) -> None:
    """Pydantic repeats every name as a title, which tells nobody anything."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        for each in node.values():
            _drop_titles(each)
    elif isinstance(node, list):
        for each in node:
            _drop_titles(each)


def _request_models(routes: Sequence[APIRoute]) -> list[type[BaseModel]]:
    """The shapes of bodies that FastAPI, which does not read them, does not know."""
    return [route.openapi_extra.model for route in routes if isinstance(route.openapi_extra, Documented)]


def _add_components(
    components: Object, requests: Sequence[type[BaseModel]], headers: Mapping[str, tuple[str, Object]]
) -> None:
    schemas = components["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for model in requests:
        shape = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= {**shape.pop("$defs", {}), model.__name__: shape}
        _drop_titles(shape)
    problem = schemas[ProblemDocument.__name__] = ProblemDocument.model_json_schema()
    _drop_titles(problem)
    pages = "\n".join(f"- [`{kind.type}`]({kind.type}): {kind.title}" for kind in KINDS.values())
    problem["properties"]["type"] |= {
        "format": "uri-reference",
        "description": f"The address of the page that explains it. More may be added; today there are\n{pages}",
        "examples": [kind.type for kind in KINDS.values()],
    }
    components["headers"] = {
        name: {"description": description, "required": name in _ALWAYS, "schema": {"type": "string"} | schema}
        for name, (description, schema) in headers.items()
    }
    components["examples"] = {
        kind.slug: {"summary": kind.title, "value": _problem_example(kind)} for kind in KINDS.values()
    }


def _problem_example(kind: Kind) -> Object:
    return Problem(kind, kind.title).body() | {"trace_id": BY_NAME["trace_id"]}


def _complete(operation: Object, *, post: bool) -> None:
    """All that holds for every operation of its kind."""
    responses = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]  # FastAPI's own answer, which app.py replaces
    if post:
        idempotency.document(operation)
    if post or "requestBody" in operation:
        add_problem(responses, str(BODY_TIMEOUT.status), BODY_TIMEOUT)
    if "security" in operation:  # what asks who calls has a rate limit
        add_problem(responses, str(RATE_LIMITED.status), RATE_LIMITED)
    for parameter in operation.get("parameters", ()):
        _plain(parameter)
    scopes = [scope for each in operation.get("security", ()) for needed in each.values() for scope in needed]
    if scopes:
        named = " and ".join(f"`{scope}`" for scope in scopes)
        operation["description"] = f"{operation.get('description', '')}\n\nNeeds the scope {named}.".lstrip()
    for status, response in responses.items():
        _add_headers(operation, status, response, post=post)


def _plain(parameter: Object) -> None:
    """A parameter that may be left out is not one that may be null: a query string has no null. An only value is an
    enumeration of one, because generators of clients know no ``const`` in a header."""
    schema = parameter["schema"]
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        del schema["anyOf"]
        schema.update(choices[0])
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if (
        parameter["in"] == "query"
        and schema.get("type") == "string"
        and not {"enum", "format", "pattern"} & schema.keys()
    ):
        schema["pattern"] = "^[^\\x00]*$"  # as ``known_parameters`` has it
    schema.pop("description", None)  # the parameter has it


def _add_headers(operation: Object, status: str, response: Object, *, post: bool) -> None:
    wanted = ["Trace-Id"]
    if status == "304" or (status == "200" and "304" in operation["responses"]):
        wanted.append("ETag")
    if status in {"201", "302"}:
        wanted.append("Location")
    if status == "200" and any(parameter["name"] == "cursor" for parameter in operation.get("parameters", ())):
        wanted.append("Link")
    kinds = response.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {}).keys()
    if kinds and status in {"429", "503"}:
        wanted.append("Retry-After")
    if status == "401":
        wanted.append("WWW-Authenticate")
    if post and int(status) < 500:
        wanted.append("Idempotency-Replayed")
    if "429" in operation["responses"]:
        wanted += ["RateLimit", "RateLimit-Policy"]
    headers = response.setdefault("headers", {})
    for name in wanted:
        headers.setdefault(name, {"$ref": f"#/components/headers/{name}"})
    if kinds & _COME_BACK_LATER:
        description, schema = HEADERS["Retry-After"]
        headers.setdefault("Retry-After", {"description": description, "schema": schema})


def _add_links(made: Object, operation: Object) -> None:
    """From an answer that shows a thing to the operations on it."""
    for status, response in operation["responses"].items():
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        shapes = {choice.get("$ref", "").rpartition("/")[2] for choice in schema.get("anyOf", [schema])}
        for shape in sorted(shapes & _RESOURCES.keys()):
            if status[0] == "2":
                response.setdefault("links", {}).update(_links(made, *_RESOURCES[shape]))


def _links(made: Object, parameter: str, pointer: str) -> Object:
    links = {}
    for _, _, operation in operations(made):
        taken = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        if parameter in taken and taken - {parameter} <= _LINKED_WITH.keys():
            given = {name: _LINKED_WITH[name] for name in sorted(taken - {parameter})}
            links[operation["operationId"]] = {
                "operationId": operation["operationId"],
                "parameters": {parameter: f"$response.body#{pointer}", **given},
                "description": operation["summary"],
            }
    return links


def _add_examples(operation: Object, schemas: Object) -> None:
    for parameter in operation.get("parameters", ()):
        if "example" not in parameter and "examples" not in parameter:
            parameter["example"] = example_of(parameter["schema"], schemas, parameter["name"])
    bodies = [operation["requestBody"]] if "requestBody" in operation else []
    for holder in (*bodies, *operation["responses"].values()):
        for media_type, content in holder.get("content", {}).items():
            if media_type.endswith("json") and "example" not in content and "examples" not in content:
                content["example"] = example_of(content["schema"], schemas)

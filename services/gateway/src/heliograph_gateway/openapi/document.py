"""The OpenAPI 3.1 document: what FastAPI reads off the routes, and what holds for all of them.

``app.py`` serves it. Everything that a rule can tell (operation ids, scopes, headers, examples, links, problems of every
route) is added here, so that a new route has it by itself; what only the route knows stands at the route. The document
depends on the code alone: the same code makes the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from heliograph_common.http.problems import MEDIA_TYPE, Kind, Problem
from heliograph_gateway.http.bodies import Documented
from heliograph_gateway.http.problems import BODY_TIMEOUT, KINDS, RATE_LIMITED
from heliograph_gateway.http.responses import add_problem
from heliograph_gateway.http.schemas import LINKED, TRACE_ID, ProblemDocument
from heliograph_gateway.http.tags import Tag
from heliograph_gateway.idempotency import middleware as idempotency
from heliograph_gateway.openapi import probes
from heliograph_gateway.openapi.examples import example_of

Object = dict[str, Any]

_FASTAPI_DESCRIPTION = "Successful Response"
_WRAPPED = re.compile(r"(?<!\n)\n(?![\n-])")
"""A line break within a paragraph."""

DESCRIPTION = """\
Authenticate with a bearer token in the `Authorization` header. Each operation names the scope that it requires.

Errors are problem details (RFC 9457). Their `type` is the URL of a page that explains the problem and its remedy; see
[/problems](/problems) for the full list.

Times are RFC 3339 timestamps in UTC, and sizes are in bytes. Lists are paginated: follow `next` in the body, or `Link:
rel="next"`, until it is missing. Every POST accepts an `Idempotency-Key`, so that it can be retried safely. Every
request accepts a `traceparent` header (W3C Trace Context), and every response has a `Trace-Id`."""

HEADERS: dict[str, tuple[str, Object]] = {
    "Trace-Id": ("Id of the trace of this request. Quote it when you report a problem.", {"pattern": "^[0-9a-f]{32}$"}),
    "ETag": ("Strong entity tag of the representation, for `If-None-Match` and `If-Match`.", {}),
    "Link": ('URL of the next page as `<…>; rel="next"`. Missing on the last page.', {}),
    "Location": ("URL of the created resource, or of the job that was started.", {"format": "uri-reference"}),
    "Retry-After": ("Number of seconds to wait before the request is sent again.", {"type": "integer", "minimum": 0}),
    "Preference-Applied": ("The preference of `Prefer` that was applied, such as `wait=20` (RFC 7240).", {}),
    "WWW-Authenticate": ("Authentication scheme that the operation requires (RFC 6750).", {}),
    "Idempotency-Replayed": (
        "`true` if this is the stored response to an earlier request with the same key.",
        {"const": "true"},
    ),
    "RateLimit": ("Requests that remain in the quota, and seconds until more are available.", {}),
    "RateLimit-Policy": ("Quota in requests, its window in seconds, and the burst in requests.", {}),
}
"""Response headers that several operations have; each is a component of the document under its name."""

_COME_BACK_LATER = {"not-rendered-yet", "idempotency-in-flight"}
"""Kinds of problems with Retry-After, of whose statuses others come without."""
_ALWAYS = {"Trace-Id", "Retry-After", "WWW-Authenticate"}
"""Those that are never missing where ``_add_headers`` puts them."""

_LINKED_WITH = {"name": "original"}
"""What a link gives for a further path parameter; operations with others are not linked."""


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
        tags=[{"name": tag, "description": tag.description} for tag in tags_of(routes)],
        servers=[{"url": "/", "description": "This installation."}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    probes.add(made)
    _drop_titles(made["paths"])
    _add_components(made["components"], _request_models(routes), {**HEADERS, **headers})
    for path, method, operation in operations(made):
        _complete(operation, post=method == "post" and path.startswith("/v1/"))
    linked = {name: schema.pop(LINKED) for name, schema in made["components"]["schemas"].items() if LINKED in schema}
    for _, _, operation in operations(made):
        _describe_success(operation, made["components"]["schemas"])
        _add_links(made, operation, linked)
        _add_examples(operation, made["components"]["schemas"])
        operation["responses"] = dict(sorted(operation["responses"].items()))
    _unwrap_descriptions(made)
    return made


def tags_of(routes: Iterable[APIRoute]) -> list[Tag]:
    """The tags of ``routes``, each once, in the order of the routes."""
    return list(dict.fromkeys(tag for route in routes for tag in route.tags if isinstance(tag, Tag)))


def operations(made: Object) -> Iterator[tuple[str, str, Object]]:
    """Path, method and operation of each operation of a document."""
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


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


def _unwrap_descriptions(node: Any) -> None:
    """Docstrings are descriptions too: their lines become paragraphs, and code is marked as Markdown has it."""
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _unwrap_descriptions(each)
    if isinstance(node, dict) and isinstance(node.get("description"), str):
        node["description"] = _WRAPPED.sub(" ", node["description"]).replace("``", "`")


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
    problem = schemas[ProblemDocument.__name__] = ProblemDocument.model_json_schema()
    _drop_titles(schemas)
    pages = "\n".join(f"- [`{kind.type}`]({kind.type}): {kind.title}" for kind in KINDS.values())
    problem["properties"]["type"] |= {
        "format": "uri-reference",
        "description": "URL of the page that explains the problem, relative to the server. New types may be added. The "
        f"current ones are:\n\n{pages}",
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
    return Problem(kind, f"{kind.title}.").body() | {"trace_id": TRACE_ID}


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
        operation["description"] = f"{operation.get('description', '')}\n\nRequires the scope {named}.".lstrip()
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


def _describe_success(operation: Object, schemas: Object) -> None:
    """What a route leaves to FastAPI: an answer is what its schema says."""
    for response in operation["responses"].values():
        if response["description"] == _FASTAPI_DESCRIPTION:
            content = response.get("content", {}).get("application/json", {})
            shape = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            response["description"] = schemas.get(shape, {}).get("description", "Success.")


def _add_headers(operation: Object, status: str, response: Object, *, post: bool) -> None:
    wanted = ["Trace-Id"]
    if status == "304" or (status == "200" and "304" in operation["responses"]):
        wanted.append("ETag")
    if status in {"201", "302"}:
        wanted.append("Location")
    if status == "200" and any(parameter["name"] == "cursor" for parameter in operation.get("parameters", ())):
        wanted.append("Link")
    if status in {"429", "503"} and MEDIA_TYPE in response.get("content", {}):
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
    kinds = response.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {}).keys()
    if kinds & _COME_BACK_LATER:
        description, schema = HEADERS["Retry-After"]
        headers.setdefault("Retry-After", {"description": description, "schema": schema})


def _add_links(made: Object, operation: Object, linked: Mapping[str, Sequence[str]]) -> None:
    """From an answer that shows a resource to the operations on it. ``linked``: by schema, what ``schemas.linked`` says."""
    for status, response in operation["responses"].items():
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        shapes = {choice.get("$ref", "").rpartition("/")[2] for choice in schema.get("anyOf", [schema])}
        for shape in sorted(shapes & linked.keys()):
            if status[0] == "2":
                response.setdefault("links", {}).update(_links(made, *linked[shape]))


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
            where = f"{operation['operationId']}.{parameter['name']}"
            parameter["example"] = example_of(parameter["schema"], schemas, where)
        parameter["schema"].pop("examples", None)  # the parameter has it
    bodies = [operation["requestBody"]] if "requestBody" in operation else []
    for holder in (*bodies, *operation["responses"].values()):
        for media_type, content in holder.get("content", {}).items():
            if media_type.endswith("json") and "example" not in content and "examples" not in content:
                content["example"] = example_of(content["schema"], schemas, operation["operationId"])

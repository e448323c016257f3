"""The names of query parameters: those that a route does not know are refused, with the nearest that it knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from heliograph_common.http.problems import Problem
from heliograph_gateway.http.problems import INVALID_PARAMETER


def known_parameters(request: Request) -> None:
    """Refuses query parameters that the route does not know: a misspelt filter must not look like an empty one. And values
    with a NUL, which PostgreSQL's text cannot hold.

    Raises:
        Problem: names each and the nearest known one.
    """
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    known = list(names_of(route.dependant))
    wrong = [name for name in request.query_params if name not in known]
    twice = [name for name in known if len(request.query_params.getlist(name)) > 1]
    with_nul = [name for name, value in request.query_params.items() if "\0" in value]
    if not wrong and not twice and not with_nul:
        return
    errors = [{"parameter": name, "detail": _hint(name, known)} for name in wrong]
    errors += [{"parameter": name, "detail": "Must not be repeated"} for name in twice]
    errors += [{"parameter": name, "detail": "Must not contain a NUL character"} for name in with_nul]
    detail = "; ".join(f"`{error['parameter']}`: {error['detail']}" for error in errors)
    raise Problem(INVALID_PARAMETER, detail, extra={"errors": errors})


def names_of(dependant: Dependant) -> Iterator[str]:
    """The names of the query parameters that a route takes, those of its dependencies included."""
    yield from (field.alias for field in dependant.query_params)
    for inner in dependant.dependencies:
        yield from names_of(inner)


def _hint(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    if near:
        return f"Unknown parameter; did you mean `{near[0]}`?"
    return (
        f"Unknown parameter; this route supports {', '.join(known)}"
        if known
        else "Unknown parameter; this route has none"
    )

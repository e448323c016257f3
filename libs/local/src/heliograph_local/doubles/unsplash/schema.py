"""Unsplash's own types, as ``schema.json`` has them: of what each call takes, and of what it answers, headers included.

``scripts/unsplash_schema.py`` writes that file. What the types do not tell and the documentation does is here: pages of at
most 30 photos, numbers above 0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

SEARCH, PHOTO, DOWNLOAD = "search", "photo", "download"
LARGEST_PAGE = 30

_WHOLE = re.compile(r"[1-9][0-9]{0,8}")
_FORMATS = FormatChecker(formats=())


class Invalid(Exception):
    """Something that does not match the schema."""


class InvalidRequest(Invalid):
    """A request that Unsplash would not accept, or that nobody should make."""


class InvalidAnswer(Invalid):
    """An answer that Unsplash would not give."""


def query(call: str, given: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The parameters of a request, each as what its type says.

    Raises:
        InvalidRequest: one is missing, unknown, of another type, or there twice.
    """
    found: dict[str, Any] = {}
    known = document()["calls"][call]["query"]["properties"]
    for name, value in given:
        if name in found:
            raise InvalidRequest(f"{call}: {name} is there twice")
        found[name] = _value(known.get(name, {}), value)
    if fault := _fault(call, "query", found):
        raise InvalidRequest(f"{call}: {fault}")
    if found.get("per_page", 1) > LARGEST_PAGE:
        raise InvalidRequest(f"{call}: per_page is more than {LARGEST_PAGE}")
    if not str(found.get("query", "?")).strip():
        raise InvalidRequest(f"{call}: query is empty")
    return found


def answer(call: str, given: Any, headers: Mapping[str, int | str]) -> bytes:
    """An answer as JSON.

    Raises:
        InvalidAnswer: it or its headers are not of the type, or have something that the type has not.
    """
    for part, value in (("answer", given), ("headers", dict(headers))):
        if fault := _fault(call, part, value):
            raise InvalidAnswer(f"the {part} of {call}: {fault}")
    return json.dumps(given, ensure_ascii=False).encode()


def error(call: str, messages: Sequence[str]) -> bytes:
    """The body of a refusal.

    Raises:
        InvalidAnswer: it is not of the type.
    """
    told = {"errors": list(messages)}
    if fault := _fault(call, "error", told):
        raise InvalidAnswer(f"the error of {call}: {fault}")
    return json.dumps(told, ensure_ascii=False).encode()


@cache
def document() -> dict[str, Any]:
    """The schema."""
    text = files(__package__).joinpath("schema.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _value(shape: Mapping[str, Any], value: str) -> Any:
    if shape.get("type") == "number" and _WHOLE.fullmatch(value):
        return int(value)
    return value.split(",") if shape.get("type") == "array" else value


def _fault(call: str, part: str, value: Any) -> str:
    faults = sorted(_validator(call, part).iter_errors(value), key=lambda fault: fault.json_path)
    return f"{faults[0].json_path}: {_short(faults[0])}" if faults else ""


@cache
def _validator(call: str, part: str) -> Draft202012Validator:
    shape = {**document()["calls"][call][part], "$defs": document()["$defs"]}
    return Draft202012Validator(shape, format_checker=_FORMATS)


def _short(fault: ValidationError) -> str:
    return fault.message if len(fault.message) <= 300 else f"{fault.message[:150]} … {fault.message[-150:]}"


@_FORMATS.checks("uri")
def _is_uri(value: object) -> bool:
    if not isinstance(value, str):
        return True
    parts = urlsplit(value)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and " " not in value


@_FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None

"""Types of parameters and fields that several features have, or that pydantic reads otherwise than their schemas say."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BeforeValidator, TypeAdapter

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


Cursor = Annotated[
    str | None,
    Query(
        description="Where to continue: the `cursor` in `next` of the previous page. Only `limit` may change between pages.",
        examples=["WzEsIjAxYTFmOTJiIiwiM2Y1YSJd"],
    ),
]


def _rfc3339(value: Any) -> Any:
    if isinstance(value, str) and not _RFC3339.fullmatch(value):
        raise ValueError("must be an RFC 3339 time such as `2026-11-20T09:30:00Z`; in a URL, encode `+` as `%2B`")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]
"""A point in time. Pydantic alone would take a bare number for seconds, and guess."""

_read = TypeAdapter(Moment).validate_python


def _moment(value: Any) -> Any:
    return _read(value) if isinstance(value, str) else value


JsonMoment = Annotated[AwareDatetime, BeforeValidator(_moment)]
"""A point in time in a JSON body, which is held strictly to its shape: there a text would be no time."""


def _id(value: Any) -> Any:
    return UUID(value) if isinstance(value, str) and _UUID.fullmatch(value) else value


JsonId = Annotated[UUID, BeforeValidator(_id)]
"""An id in a JSON body, which is held strictly to its shape: there a text would be no UUID."""


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""Marks an integer in a JSON body as JSON Schema has it: 300.0 is one. Stands last, or the document loses the bounds."""

"""Parameters take what the document says and nothing that only looks like it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from heliograph_gateway.http.parameters import WHOLE, Moment


@pytest.mark.parametrize(
    "text", ["2026-11-20T09:30:00Z", "2026-11-20T09:30:00.000Z", "2026-11-20t09:30:00z", "2026-11-20T10:30:00+01:00"]
)
def test_a_moment_is_rfc_3339(text: str) -> None:
    assert TypeAdapter(Moment).validate_python(text) == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "1795166400",
        "2026-11-20",
        "2026-11-20T09:30:00",
        "2026-11-20 09:30:00Z",
        "2026-11-20T10:30:00 01:00",
        "now",
    ],
)
def test_what_would_have_to_be_guessed_is_no_moment(text: str) -> None:
    with pytest.raises(ValidationError, match="RFC 3339"):
        TypeAdapter(Moment).validate_python(text)


@pytest.mark.parametrize("value", [300, 300.0])
def test_an_integer_is_one_however_it_is_written(value: float) -> None:
    assert TypeAdapter(Annotated[int, WHOLE]).validate_python(value, strict=True) == 300


@pytest.mark.parametrize("value", [300.5, "300", True, float("inf"), float("nan"), None])
def test_what_is_no_integer_stays_none(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Annotated[int, WHOLE]).validate_python(value, strict=True)

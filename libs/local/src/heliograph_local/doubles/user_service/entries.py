"""The entry that a user service takes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)")


def _time(value: str) -> str:
    if not _TIME.fullmatch(value):
        raise ValueError("not a time of RFC 3339 in UTC")
    datetime.fromisoformat(value)  # there must be such a day
    return value


Text = Annotated[str, Field(min_length=1, max_length=500)]
Amount = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]


class Entry(BaseModel):
    """What somebody has eaten: energy in kcal, all else in grams."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)

    entry_id: Text
    owner: Text
    name: Text
    calories: Amount
    protein: Amount
    carbs: Amount
    fat: Amount
    serving_size: str
    ingredients: list[Text]
    confidence: Annotated[float, Field(ge=0, le=1)]
    eaten_at: Annotated[str, AfterValidator(_time)]

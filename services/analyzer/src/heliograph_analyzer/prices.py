"""What questions to a model cost, by a table of prices. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from pydantic import BaseModel, ConfigDict, Field

_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}|-\d{4,8}|-latest")
"""What providers append to a model's name for one of its versions."""


class Price(BaseModel):
    """Prices of a model, in US dollars per million tokens; cached input costs as much as other input if not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Decimal = Field(ge=0, le=1_000_000, description="US dollars per million input tokens.")
    output: Decimal = Field(ge=0, le=1_000_000, description="US dollars per million output tokens.")
    cached_input: Decimal | None = Field(
        None, ge=0, le=1_000_000, description="US dollars per million input tokens that the provider had cached."
    )


def _price(told: str) -> Price:
    tokens, cached, output = map(Decimal, told.split("/"))
    return Price(input=tokens, cached_input=cached, output=output)


DEFAULT_PRICES: Mapping[str, Price] = {
    "gpt-4.1": _price("2.00/0.50/8.00"),
    "gpt-4.1-mini": _price("0.40/0.10/1.60"),
    "gpt-4o-mini": _price("0.15/0.075/0.60"),
}
"""Input, cached input and output of models that are likely to be configured, as published by OpenAI."""


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price of ``model``: its own; that of the name before its date (``gpt-4.1-mini`` for ``gpt-4.1-mini-2025-04-14``,
    and never ``gpt-4.1``, which costs five times as much); else that of the longest beginning that ends with ``*``."""
    if model in prices:
        return prices[model]
    families = [name for name in prices if model.startswith(name) and _DATED.fullmatch(model[len(name) :])]
    beginnings = [name for name in prices if name.endswith("*") and model.startswith(name[:-1])]
    matching = max(families, key=len, default=None) or max(beginnings, key=len, default=None)
    return None if matching is None else prices[matching]


def cost_micros(
    model: str, prices: Mapping[str, Price], *, input_tokens: int, output_tokens: int, cached_tokens: int = 0
) -> int | None:
    """What a question cost, in whole millionths of a US dollar, rounded half up; ``None`` where the model's price is not
    known. ``cached_tokens`` are a part of ``input_tokens``.

    Dollars per million tokens times tokens are millionths of a dollar.
    """
    price = price_of(model, prices)
    if price is None:
        return None
    cached = min(cached_tokens, input_tokens)
    cached_price = price.input if price.cached_input is None else price.cached_input
    exact = (input_tokens - cached) * price.input + cached * cached_price + output_tokens * price.output
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))

"""What tokens cost."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from heliograph_analyzer.prices import DEFAULT_PRICES, Price, cost_micros, price_of

TOKENS = st.integers(0, 2**31)


@pytest.mark.parametrize(
    ("model", "tokens", "cost"),
    [
        ("gpt-4.1-mini", {"input_tokens": 1_000_000, "output_tokens": 0}, 400_000),
        ("gpt-4.1-mini", {"input_tokens": 0, "output_tokens": 1_000_000}, 1_600_000),
        ("gpt-4.1-mini", {"input_tokens": 1_000_000, "output_tokens": 0, "cached_tokens": 1_000_000}, 100_000),
        ("gpt-4.1-mini", {"input_tokens": 1_529, "output_tokens": 160}, 868),  # 611.6 + 256
        ("gpt-4.1-mini-2025-04-14", {"input_tokens": 10, "output_tokens": 0}, 4),
        ("gpt-4.1-2025-04-14", {"input_tokens": 10, "output_tokens": 1}, 28),
        ("gpt-4o-mini", {"input_tokens": 10, "output_tokens": 0}, 2),  # 1.5
        ("gpt-4.1-mini", {"input_tokens": 1, "output_tokens": 0}, 0),  # 0.4
        ("gpt-4.1-mini", {"input_tokens": 5, "output_tokens": 0, "cached_tokens": 50}, 1),  # 0.5
    ],
)
def test_costs_are_whole_millionths_rounded_half_up(model: str, tokens: dict[str, int], cost: int) -> None:
    assert cost_micros(model, DEFAULT_PRICES, **tokens) == cost


@pytest.mark.parametrize(
    "model", ["", "gpt-4", "gpt-4.1-nano", "gpt-4.1-nano-2025-04-14", "my-gpt-4.1", "gpt-4.1-mini2"]
)
def test_models_without_a_price_have_unknown_cost(model: str) -> None:
    """And not that of a model whose name begins the same."""
    assert cost_micros(model, DEFAULT_PRICES, input_tokens=1, output_tokens=1) is None


def test_the_longest_name_that_fits_decides() -> None:
    names = ["*", "qwen*", "qwen-vl*", "qwen-vl-7b", "qwen-vl-7b-2025-01-01"]
    prices = {name: Price(input=Decimal(number), output=Decimal(0)) for number, name in enumerate(names)}
    found = {
        model: price_of(model, prices)
        for model in ("llama", "qwen-2", "qwen-vl-3b", "qwen-vl-7b", "qwen-vl-7b-latest", "qwen-vl-7b-2025-01-01")
    }
    assert [price.input for price in found.values() if price] == [0, 1, 2, 3, 3, 4]


def test_cached_input_costs_as_much_as_other_input_where_nothing_else_is_said() -> None:
    prices = {"m": Price(input=Decimal(3), output=Decimal(1))}
    assert cost_micros("m", prices, input_tokens=10, output_tokens=0, cached_tokens=5) == 30


@pytest.mark.parametrize("wrong", [{"input": -1, "output": 1}, {"input": 1}, {"input": 1, "output": 1, "outptu": 2}])
def test_prices_that_cannot_be(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Price.model_validate(wrong)


@given(inputs=TOKENS, outputs=TOKENS, cached=TOKENS)
def test_costs_are_never_more_than_without_the_cache(inputs: int, outputs: int, cached: int) -> None:
    cost = cost_micros("gpt-4.1", DEFAULT_PRICES, input_tokens=inputs, output_tokens=outputs, cached_tokens=cached)
    most = cost_micros("gpt-4.1", DEFAULT_PRICES, input_tokens=inputs, output_tokens=outputs)
    assert cost is not None
    assert most == 2 * inputs + 8 * outputs
    assert 0 <= cost <= most

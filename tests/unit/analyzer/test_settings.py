"""What the analyzer's settings make of what is set."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from heliograph_analyzer.prices import DEFAULT_PRICES
from heliograph_analyzer.settings import AnalyzerOwnSettings, AnalyzerSettings, OpenAISettings


@pytest.mark.parametrize(("given", "key"), [(" sk-1\n", "sk-1"), ("", None), (" \n", None), (None, None)])
def test_white_space_is_no_part_of_a_key(given: str | None, key: str | None) -> None:
    found = OpenAISettings.model_validate({"api_key": given}).api_key
    assert (found.get_secret_value() if found else None) == key


def test_prices_add_to_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert AnalyzerSettings().openai.prices == DEFAULT_PRICES
    monkeypatch.setenv(
        "HELIOGRAPH_OPENAI__PRICES",
        '{"mine": {"input": 0.1, "output": 0.2}, "gpt-4.1": {"input": 1, "output": 2, "cached_input": 0}}',
    )
    prices = AnalyzerSettings().openai.prices
    assert prices.keys() == DEFAULT_PRICES.keys() | {"mine"}
    assert (prices["mine"].input, prices["mine"].cached_input) == (Decimal("0.1"), None)
    assert prices["gpt-4.1"].input == 1
    assert prices["gpt-4.1-mini"] == DEFAULT_PRICES["gpt-4.1-mini"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"prices": "[]"},
        {"prices": '{"m": {"input": -1, "output": 1}}'},
        {"base_url": "api.openai.com"},
        {"base_url": "https://key@api.openai.com/v1"},
        {"detail": "auto"},
        {"timeout_seconds": 0},
        {"model": ""},
    ],
)
def test_what_cannot_be_is_said_at_the_start(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OpenAISettings.model_validate(wrong)


def test_an_attempt_has_time_for_a_question_and_its_repair() -> None:
    """Else each call is cut off, paid for and made again."""
    slow = OpenAISettings.model_validate({"timeout_seconds": 100})
    with pytest.raises(ValidationError, match="hold_seconds"):
        AnalyzerSettings(openai=slow)
    assert AnalyzerSettings(openai=slow, analyzer=AnalyzerOwnSettings(hold_seconds=220)).openai == slow

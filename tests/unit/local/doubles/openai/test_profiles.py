"""What the double of OpenAI says for each of the analyzer's profiles is a result of it, and says that it is made up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from heliograph_analyzer.profiles.registry import PROFILES
from heliograph_local.doubles.openai import digest, made_up, strict
from heliograph_local.doubles.openai.questions import tokens


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_each_profile_is_answered(profile: Any) -> None:
    schema = dict(profile.schema)
    assert strict.faults(schema) == []
    answers = {made_up.text(schema, digest(bytes([seed]))) for seed in range(8)}
    assert len(answers) == 8
    for answer in answers:
        result = profile.result.model_validate_json(answer)
        profile.facts(result.model_dump(mode="json", by_alias=True))
        assert "Made up: " in answer
        assert tokens(answer) <= profile.max_output_tokens


def test_food_holds_together() -> None:
    food = json.loads(made_up.text(dict(PROFILES["food"].schema), "0" * 64))
    assert food["isFood"]
    assert food["confidence"] > 0.5
    energy = 4 * food["protein"] + 4 * food["carbs"] + 9 * food["fat"]
    assert energy == pytest.approx(food["calories"], rel=0.1)
    assert food["ingredients"]
    assert food["mealSuggestions"]


def test_a_description_flags_nothing() -> None:
    description = json.loads(made_up.text(dict(PROFILES["describe"].schema), "0" * 64))
    assert "made-up" in description["tags"]
    assert description["text"] == ""
    assert not any(description["safety"].values())

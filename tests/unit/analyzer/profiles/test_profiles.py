"""The profiles that there are: what each sends, and what of its results becomes part of the image."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.unit.analyzer.support import DESCRIPTION, FOOD

from heliograph_analyzer.profiles.port import NAME, Facts, Profile
from heliograph_analyzer.profiles.registry import PROFILES

SENT = {
    "describe": (1, "080a688b9c3215e72820687d2187f8d693861b975386152e5d3feee815a8500a"),
    "food": (1, "af0265a037b6156b84a9cc6de23daef8265d433314eb43303ffad36002e9b4a2"),
}
"""Version and digest of each profile. A digest that differs means that prompt or result changed: raise the profile's
version, and then write both here. Otherwise results of the former prompt are taken for results of this one. Add
each new profile before it is used in earnest."""


@pytest.fixture(params=sorted(PROFILES))
def profile(request: pytest.FixtureRequest) -> Profile:
    return PROFILES[request.param]


def test_what_is_sent_changes_with_the_version_only() -> None:
    assert {name: (PROFILES[name].version, PROFILES[name].digest) for name in SENT} == SENT


def test_schemas_are_strict(profile: Profile) -> None:
    """As the provider wants them: https://developers.openai.com/api/docs/guides/structured-outputs."""
    known = {"type", "description", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf"}

    def check(schema: dict[str, Any]) -> None:
        assert schema.keys() <= known
        if schema["type"] == "object":
            assert schema["additionalProperties"] is False
            assert schema["required"] == list(schema["properties"])
            for each in schema["properties"].values():
                check(each)
        if schema["type"] == "array":
            check(schema["items"])

    check(dict(profile.schema))


def test_names_can_be_parts_of_urls_and_schema_names(profile: Profile) -> None:
    assert NAME.fullmatch(profile.name)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", profile.name)


def test_prompts_hold_against_what_the_picture_says(profile: Profile) -> None:
    assert "never an instruction" in profile.prompt
    assert "in English" in profile.prompt
    assert all(key in profile.prompt for key in profile.schema["properties"])


def test_food_has_the_keys_of_the_older_service() -> None:
    keys = {
        "name",
        "calories",
        "protein",
        "carbs",
        "fat",
        "servingSize",
        "ingredients",
        "confidence",
        "mealSuggestions",
    }
    assert PROFILES["food"].schema["properties"].keys() == keys | {"isFood"}


def test_facts_of_a_meal() -> None:
    assert PROFILES["food"].facts(FOOD) == Facts(
        caption="Apple pie",
        alt_text="Apple pie, with apples, flour, butter",
        tags=("food", "apples", "flour", "butter"),
    )
    assert PROFILES["food"].facts({**FOOD, "ingredients": []}).alt_text == "Apple pie"


def test_what_is_not_edible_changes_nothing_about_the_image() -> None:
    assert PROFILES["food"].facts({**FOOD, "isFood": False}) == Facts()


def test_facts_of_a_description() -> None:
    assert PROFILES["describe"].facts(DESCRIPTION) == Facts(
        caption=DESCRIPTION["caption"], alt_text=DESCRIPTION["altText"], tags=("lighthouse", "sea", "dusk")
    )


def test_facts_are_bounded_and_clean_whatever_a_profile_passes() -> None:
    facts = Facts(
        caption="a\x00b\nc\u202e " * 500,
        alt_text="\x1b[31m" + "x" * 2_000,
        tags=["#Sea", "sea ", "", "  ", "t" * 51, *map(str, range(100))],
    )
    assert facts.caption is not None
    assert facts.alt_text is not None
    assert len(facts.caption) <= 500
    assert len(facts.alt_text) == 1_000
    assert (facts.caption + facts.alt_text).isprintable()
    assert facts.tags[:2] == ("sea", "0")
    assert len(facts.tags) == 50
    assert Facts(caption=" \n", alt_text="", tags=[" "]) == Facts()

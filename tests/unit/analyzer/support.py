"""What tests of the analyzer share: answers of a model, and results that are valid."""

from __future__ import annotations

import json
from typing import Any

from heliograph_analyzer.models.port import Answer, Finish, Usage

FOOD: dict[str, Any] = {
    "isFood": True,
    "name": "Apple pie",
    "calories": 410.0,
    "protein": 4.0,
    "carbs": 58.5,
    "fat": 19.0,
    "servingSize": "1 slice (155 g)",
    "ingredients": ["apples", "flour", "butter"],
    "confidence": 0.9,
    "mealSuggestions": ["Add yogurt for protein"],
}
DESCRIPTION: dict[str, Any] = {
    "caption": "A lighthouse at dusk.",
    "altText": "A white lighthouse on a cliff under a purple sky.",
    "tags": ["lighthouse", "sea", "dusk"],
    "text": "",
    "safety": dict.fromkeys(("sexual", "violence", "selfHarm", "hate", "drugs", "weapons"), False),
}
VALID = {"food": FOOD, "describe": DESCRIPTION}


def answer(told: object, finish: Finish = "complete", refusal: str | None = None) -> Answer:
    """An answer with this text, or with JSON of what is not text."""
    text = told if isinstance(told, str) else json.dumps(told)
    usage = Usage(input_tokens=1_200, output_tokens=150)
    return Answer(
        text=text, finish=finish, usage=usage, model="gpt-4.1-mini-2025-04-14", response_id="resp_1", refusal=refusal
    )

"""What the double says about food and about any other picture: dishes and scenes that hold together better than what is made
up word by word. Each says that it is made up, and of which picture it is said."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

MADE_UP = "Made up: "

_DISHES: tuple[dict[str, Any], ...] = (
    {
        "name": "vegetable curry with rice",
        "calories": 540,
        "protein": 16,
        "carbs": 82,
        "fat": 16,
        "servingsize": "1 bowl (400 g)",
        "ingredients": ["rice", "chickpeas", "carrots", "coconut milk", "curry paste"],
        "confidence": 0.92,
        "mealsuggestions": ["Add a spoonful of yoghurt for protein", "Take brown rice for more fibre"],
    },
    {
        "name": "oat porridge with berries",
        "calories": 320,
        "protein": 11,
        "carbs": 54,
        "fat": 7,
        "servingsize": "1 bowl (300 g)",
        "ingredients": ["oats", "milk", "blueberries", "raspberries"],
        "confidence": 0.88,
        "mealsuggestions": ["Add nuts to feel full for longer"],
    },
    {
        "name": "salmon with potatoes and broccoli",
        "calories": 610,
        "protein": 39,
        "carbs": 45,
        "fat": 30,
        "servingsize": "1 plate (450 g)",
        "ingredients": ["salmon", "potatoes", "broccoli", "olive oil", "lemon"],
        "confidence": 0.9,
        "mealsuggestions": ["Have a green salad with it"],
    },
    {
        "name": "lentil soup with bread",
        "calories": 410,
        "protein": 21,
        "carbs": 62,
        "fat": 8,
        "servingsize": "1 plate (350 ml) and 1 slice",
        "ingredients": ["lentils", "carrots", "celery", "wholemeal bread"],
        "confidence": 0.85,
        "mealsuggestions": ["Finish with an orange: vitamin C helps to take up the iron"],
    },
)
_SCENES: tuple[dict[str, Any], ...] = (
    {
        "caption": "the sun rises over a mountain lake",
        "alttext": "a still lake between mountains, with the rising sun mirrored in it",
        "tags": ["sunrise", "lake", "mountains"],
    },
    {
        "caption": "boats lie in a small harbour",
        "alttext": "four fishing boats at a stone quay, with white houses behind them",
        "tags": ["harbour", "boats", "sea"],
    },
    {
        "caption": "a dog runs through a meadow",
        "alttext": "a brown dog that leaps through high grass towards the camera",
        "tags": ["dog", "meadow", "summer"],
    },
    {
        "caption": "a street of an old town in the rain",
        "alttext": "wet cobblestones between narrow houses, with one red umbrella far away",
        "tags": ["street", "rain", "town"],
    },
)
_NO_TEXT = dict.fromkeys(("text", "textinimage", "visibletext", "ocrtext"), "")
_MARKED = ("name", "caption", "alttext")


def known(names: Set[str], seed: str) -> dict[str, Any]:
    """Values for those of the properties ``names`` that are known, however these are spelled (``altText``, ``alt_text``)."""
    plain = {name: name.replace("_", "").lower() for name in names}
    told: dict[str, Any] = {}
    if "calories" in plain.values():
        told = dict(_DISHES[_number(seed, len(_DISHES))])
        told |= {"isfood": True, "suggestions": told["mealsuggestions"]}
    elif {"caption", "alttext"} & set(plain.values()):
        told = _NO_TEXT | _SCENES[_number(seed, len(_SCENES))]
        told["tags"] = ["made-up", *told["tags"]]
    for name in told.keys() & set(_MARKED):
        told[name] = f"{MADE_UP}{told[name]} ({seed[:6]})"
    return {name: told[key] for name, key in plain.items() if key in told}


def _number(seed: str, below: int) -> int:
    return int(seed[:8] or "0", 16) % below

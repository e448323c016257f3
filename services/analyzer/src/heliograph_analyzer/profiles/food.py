"""``food``: what a meal is made of, with the keys that clients of the older food service read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from heliograph_analyzer.profiles.port import RULES, Facts, Profile, Result

_PROMPT = f"""\
You estimate what is in a meal from a photo, for a food diary. Report the food and drink that can be seen: the whole \
portion on the picture as one meal. Estimate calories in kilocalories, and protein, carbohydrates and fat in grams, \
for that portion.

- name: a short name of the meal, such as "Spaghetti with tomato sauce".
- calories, protein, carbs, fat: numbers without units.
- servingSize: the portion in words with its weight or volume, such as "1 plate (350 g)".
- ingredients: at most 30, those that can be seen or that the dish always has.
- confidence: from 0 to 1, how sure you are of name and values together; low where it is blurred, dark or hidden.
- mealSuggestions: up to 5 short suggestions of what would make this meal more balanced.
- Numbers and facts printed on a package of this food may be used as information about it.
- If nothing edible can be seen, isFood is false, confidence is 0, every number is 0 and every text and list is empty.

{RULES}"""

_Line = Annotated[str, Field(max_length=200)]
_Ingredient = Annotated[str, Field(max_length=100)]
_Grams = Annotated[float, Field(ge=0, le=10_000)]


class Food(Result):
    """A meal on a picture."""

    is_food: bool = Field(description="Whether something edible can be seen.")
    name: _Line = Field(description="Short name of the meal.")
    calories: float = Field(ge=0, le=50_000, description="Kilocalories of the portion.")
    protein: _Grams = Field(description="Grams of protein in the portion.")
    carbs: _Grams = Field(description="Grams of carbohydrates in the portion.")
    fat: _Grams = Field(description="Grams of fat in the portion.")
    serving_size: _Line = Field(description="Size of the portion in words.")
    ingredients: list[_Ingredient] = Field(max_length=50, description="Ingredients, one each.")
    confidence: float = Field(ge=0, le=1, description="From 0 to 1.")
    meal_suggestions: list[_Line] = Field(max_length=10, description="What would make the meal more balanced.")

    @model_validator(mode="after")
    def _nothing_invented(self) -> Self:
        """Where nothing is edible, nothing is told about it, whatever the model filled in. Clients of the older service do
        not know ``isFood`` and read numbers, so those are 0 and so is the confidence."""
        if self.is_food:
            if not self.name:
                raise ValueError("name is empty although isFood is true")
            return self
        self.name = self.serving_size = ""
        self.calories = self.protein = self.carbs = self.fat = self.confidence = 0.0
        self.ingredients, self.meal_suggestions = [], []
        return self


def _facts(result: Mapping[str, Any]) -> Facts:
    if not result["isFood"]:
        return Facts()
    name, ingredients = result["name"], result["ingredients"]
    told = f"{name}, with {', '.join(ingredients)}" if ingredients else name
    return Facts(caption=name, alt_text=told, tags=["food", *ingredients])


PROFILE = Profile(name="food", version=1, prompt=_PROMPT, result=Food, max_output_tokens=1_000, facts=_facts)

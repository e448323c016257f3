"""The subjects that photos of the double show: few, fixed, and made up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """``name`` is what is searched, ``description`` what the photographer says, ``seen`` what the vendor's software sees."""

    name: str
    description: str
    seen: str
    tags: tuple[str, ...]


SUBJECTS = (
    Subject("apple", "A red apple from our garden", "red apple on a wooden table", ("apple", "fruit", "red")),
    Subject("dog", "Our dog at the beach", "brown dog running on sand", ("dog", "animal", "beach")),
    Subject("cat", "The cat sleeps in the sun", "grey cat lying on a window sill", ("cat", "animal", "window")),
    Subject("farm", "An old farm near the village", "white farm with a red roof", ("farm", "building", "village")),
    Subject("tree", "The tree on the hill", "lone green tree under a blue sky", ("tree", "nature", "sky")),
    Subject("bread", "Fresh bread in the morning", "sliced loaf of bread on a board", ("bread", "food", "bakery")),
    Subject("water", "A glass of water", "clear glass filled with water", ("water", "glass", "drink")),
    Subject("car", "A car in the rain", "blue car parked on a wet street", ("car", "street", "rain")),
    Subject("book", "A book that I like", "open book on a white blanket", ("book", "reading", "paper")),
    Subject("train", "The night train leaves", "train at a station platform", ("train", "station", "travel")),
    Subject("sea", "The sea at six in the morning", "calm sea under an orange sky", ("sea", "sunrise", "water")),
    Subject("bird", "A bird came to visit", "small yellow bird on a branch", ("bird", "animal", "branch")),
)

"""Which photo of a page is best for a word: by its description, the provider's order, its size and its shape. Pure.

The provider knows best what a photo shows, so its order weighs most; a description or tag that names the word comes next,
where the description is in the word's language or in that of its translation. Size and shape decide between equals.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from heliograph_common.contracts.word_messages import Photo

MOST_CANDIDATES = 10
"""Other photos of the page that are kept."""
SMALLEST = 400
"""Pixels of the shorter side; what is smaller would be blurred on every screen."""
WIDEST = 3.0
"""The longer side over the shorter one; beyond that it is a banner, of which a square shows a strip."""

_ORDER, _TEXT, _SIZE, _SHAPE = 0.45, 0.35, 0.1, 0.1
"""Shares of the score. They add up to 1."""
_GOOD_SIZE = 2_000
_GOOD_SHAPE = 1.5
_SHORTEST_STEM = 4
_LONGEST_ENDING = 2
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True)
class Ranked:
    """A photo and its score, from 0 to 1."""

    photo: Photo
    score: float


def key_of(photo: Photo) -> str:
    """How a photo is remembered as rejected."""
    return f"{photo.provider}:{photo.id}"


def rank(photos: Sequence[Photo], *, terms: Iterable[str], rejected: Collection[str] = ()) -> list[Ranked]:
    """The photos that may be taken, the best first. ``photos`` are in the provider's order, and ``terms`` are texts that
    the description should have. What nobody should see, what is too small or too narrow, and ``rejected`` are left out."""
    wanted = [tokens for term in terms if (tokens := _tokens(term))]
    ranked = [
        Ranked(photo, _score(photo, place / len(photos), wanted))
        for place, photo in enumerate(photos)
        if is_fit(photo) and key_of(photo) not in rejected
    ]
    return sorted(ranked, key=lambda each: -each.score)


def is_fit(photo: Photo) -> bool:
    """Whether a photo may be taken at all."""
    shorter, longer = sorted((photo.width, photo.height))
    return photo.safe and shorter >= SMALLEST and longer <= shorter * WIDEST


def _score(photo: Photo, place: float, wanted: Sequence[frozenset[str]]) -> float:
    shorter, longer = sorted((photo.width, photo.height))
    size = min(1.0, shorter / _GOOD_SIZE)
    shape = min(1.0, _GOOD_SHAPE * shorter / longer)
    return _ORDER * (1 - place) + _TEXT * _match(photo, wanted) + _SIZE * size + _SHAPE * shape


def _match(photo: Photo, wanted: Sequence[frozenset[str]]) -> float:
    """The share of a term's words that description and tags have; of the term that they match best."""
    said = _tokens(" ".join((photo.description or "", *photo.tags)))
    return max((sum(_is_said(word, said) for word in term) / len(term) for term in wanted), default=0.0)


def _is_said(word: str, said: frozenset[str]) -> bool:
    """Whether the word is among those ``said``, as it stands or with another ending (plurals)."""
    return word in said or any(_alike(word, other) for other in said)


def _alike(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return (
        len(shorter) >= _SHORTEST_STEM and longer.startswith(shorter) and len(longer) - len(shorter) <= _LONGEST_ENDING
    )


def _tokens(text: str) -> frozenset[str]:
    return frozenset(_WORDS.findall(text.casefold()))

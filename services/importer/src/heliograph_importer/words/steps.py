"""Which searches are made for a word, one after the other: its text, then its translation, at each provider. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from heliograph_importer.words.providers.port import PhotoProvider


@dataclass(frozen=True)
class Step:
    """One search: ``language`` is that of ``query``, ``None`` where it is unknown."""

    provider: PhotoProvider
    query: str
    language: str | None


def step_of(
    providers: Sequence[PhotoProvider], number: int, *, text: str, translation: str | None, language: str
) -> Step | None:
    """Step ``number``, from 0; ``None`` after the last. A translation that says the same as the text is no search."""
    queries: list[tuple[str, str | None]] = [(text, language)]
    if translation is not None and translation.strip() and _plain(translation) != _plain(text):
        queries.append((translation, None))
    provider, query = divmod(number, len(queries))
    return Step(providers[provider], *queries[query]) if provider < len(providers) else None


def terms_of(text: str, translation: str | None) -> tuple[str, ...]:
    """What a picture should be described by, in whichever language its description is."""
    return (text,) if translation is None else (text, translation)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()

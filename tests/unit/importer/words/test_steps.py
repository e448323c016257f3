"""Which searches are made for a word, and in which order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heliograph_importer.words.providers.placeholders import Placeholders
from heliograph_importer.words.providers.port import PhotoProvider
from heliograph_importer.words.steps import step_of, terms_of


def _steps(count: int, text: str, translation: str | None) -> list[tuple[int, str, str | None]]:
    providers: list[PhotoProvider] = [Placeholders() for _ in range(count)]
    found: list[tuple[int, str, str | None]] = []
    while step := step_of(providers, len(found), text=text, translation=translation, language="es"):
        found.append((providers.index(step.provider), step.query, step.language))
    return found


def test_text_then_translation_at_each_provider() -> None:
    assert _steps(2, "tetera", "kettle") == [
        (0, "tetera", "es"),
        (0, "kettle", None),
        (1, "tetera", "es"),
        (1, "kettle", None),
    ]


def test_without_a_translation_or_with_the_same_there_is_one_search_a_provider() -> None:
    for translation in (None, "", " ", "tetera", " TETERA "):
        assert _steps(2, "Tetera", translation) == [(0, "Tetera", "es"), (1, "Tetera", "es")]


@given(st.integers(0, 4), st.text(max_size=5), st.none() | st.text(max_size=5))
def test_every_search_is_made_once_and_then_none(count: int, text: str, translation: str | None) -> None:
    steps = _steps(count, text, translation)
    assert len(set(steps)) == len(steps) <= 2 * count
    providers = [Placeholders() for _ in range(count)]
    beyond = step_of(providers, len(steps) + 100, text=text, translation=translation, language="es")
    assert beyond is None


def test_terms_are_both_texts() -> None:
    assert terms_of("tetera", "kettle") == ("tetera", "kettle")
    assert terms_of("tetera", None) == ("tetera",)

"""Languages by the codes of Unsplash."""

from __future__ import annotations

import pytest

from heliograph_importer.words.providers.languages import unsplash_language


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("en", "en"),
        ("EN-us", "en"),
        ("pt-BR", "pt"),
        ("pt-PT", "pt-pt"),
        ("fr_CA", "fr-ca"),
        ("zh", "zh-Hans"),
        ("zh-TW", "zh-Hant"),
        ("zh-hant-HK", "zh-Hant"),
        ("sr-Latn-RS", "sr-Latn"),
        ("no", "nb"),
        ("iw", "he"),
        ("la", None),
        ("", None),
        ("x-klingon", None),
    ],
)
def test_the_code_of_a_language(language: str, code: str | None) -> None:
    assert unsplash_language(language) == code

"""Which languages Unsplash searches in, by the codes of its own API (``lang`` of ``/search/photos``). Pure."""

from __future__ import annotations

_CODES = """
    af sq am ar hy as az bn ba eu bs bg yue ca lzh zh-Hans zh-Hant hr cs da prs dv nl en et fo fj fil fi fr fr-ca gl ka de el
    gu ht he hi mww hu is id ikt iu iu-Latn ga it ja kn kk km ko ku kmr ky lo lv lt mk mg ms ml mt mi mr mn-Cyrl mn-Mong my
    ne nb or ps fa pl pt pt-pt pa otq ro ru sm sr-Cyrl sr-Latn sk sl so es sw sv ty ta tt te th bo ti to tr tk uk hsb ur ug
    uz vi cy yua zu
"""
_BY_LOWER = {code.lower(): code for code in _CODES.split()}
_OTHER_NAMES = {
    "zh": "zh-Hans", "zh-cn": "zh-Hans", "zh-sg": "zh-Hans", "zh-tw": "zh-Hant", "zh-hk": "zh-Hant", "zh-mo": "zh-Hant",
    "sr": "sr-Cyrl", "mn": "mn-Cyrl", "no": "nb", "iw": "he", "in": "id", "tl": "fil",
}  # fmt: skip
"""Codes of others for the same, and the script that is usual where none is named."""


def unsplash_language(language: str) -> str | None:
    """The code of a language in BCP 47; ``None`` where Unsplash does not search in it."""
    tag = language.strip().replace("_", "-").lower()
    while tag:
        found = _BY_LOWER.get(tag) or _OTHER_NAMES.get(tag)
        if found is not None:
            return found
        tag = tag.rpartition("-")[0]
    return None

"""Generated pictures for words of which no provider has one: a gradient with the word on it.

The picture is a ``data:`` URL and follows from the word alone. Nothing is requested, so nothing is charged, and there is no
file to store. Colours are dark enough for white text (a contrast of 4.5 to 1 or more, WCAG 2.2, 1.4.3).
"""

from __future__ import annotations

import colorsys
import hashlib
import unicodedata
from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from heliograph_common.contracts.word_messages import Photo
from heliograph_importer.words.providers.port import Missing

WIDTH, HEIGHT = 1080, 720
THUMB_WIDTH = 200
_LONGEST_SHOWN = 40
_MARGIN = 0.85
_LARGEST_FONT, _SMALLEST_FONT = 160, 24
_CHARACTER = 0.62
"""Width of a character in ems, on average."""
_LIGHTNESS = (0.30, 0.20)
_SATURATION = 0.55
_UNWRITABLE = frozenset({"Cc", "Cs", "Cn"})


class Placeholders:
    """See ``PhotoProvider``."""

    name = "placeholder"
    budget: str | None = None

    def waits_for(self) -> str | None:
        """Nothing."""
        return None

    def rest(self) -> float | None:
        """Never."""
        return None

    async def search(self, query: str, *, language: str | None) -> Sequence[Photo]:
        """One picture, always."""
        return [placeholder(query)]

    async def photo(self, photo_id: str) -> Photo:
        """Its ids name nothing that could be looked up."""
        raise Missing("generated placeholders cannot be chosen by id: name a photo of another provider")

    async def download(self, photo: Photo) -> str:
        """There is nobody to tell."""
        return photo.full_url

    def file_url(self, photo: Photo) -> str:
        """The picture itself."""
        return photo.full_url

    async def close(self) -> None:
        """Has nothing to end."""


def placeholder(word: str) -> Photo:
    """The picture of a word. Pure."""
    digest = hashlib.sha256(word.casefold().encode(errors="surrogatepass")).digest()
    hue = int.from_bytes(digest[:2]) / 65_536
    begin, end = _colour(hue, _LIGHTNESS[0]), _colour((hue + 0.12) % 1.0, _LIGHTNESS[1])
    return Photo(
        provider=Placeholders.name,
        id=digest.hex()[:16],
        page_url="",
        image_url=_url(_svg(word, begin, end, WIDTH, HEIGHT)),
        thumb_url=_url(_svg(word, begin, end, THUMB_WIDTH, THUMB_WIDTH * HEIGHT // WIDTH)),
        full_url=_url(_svg(word, begin, end, WIDTH, HEIGHT)),
        width=WIDTH,
        height=HEIGHT,
        color=begin,
        description=word,
        photographer="",
        photographer_url="",
    )


def _svg(word: str, begin: str, end: str, width: int, height: int) -> str:
    shown = word if len(word) <= _LONGEST_SHOWN else f"{word[: _LONGEST_SHOWN - 1]}…"
    widest = _MARGIN * WIDTH
    font = max(_SMALLEST_FONT, min(_LARGEST_FONT, int(widest / (_CHARACTER * max(1, len(shown))))))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f"<title>{_escaped(word)}</title>"
        '<defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1">'
        f'<stop offset="0" stop-color="{begin}"/><stop offset="1" stop-color="{end}"/></linearGradient></defs>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#g)"/>'
        f'<text x="50%" y="50%" dominant-baseline="central" text-anchor="middle" fill="#ffffff" font-size="{font}" '
        f'font-family="system-ui, sans-serif">'
        f"{_escaped(shown)}</text></svg>"
    )


def _escaped(text: str) -> str:
    """As XML has it: what no XML may have, such as control characters and halves of surrogate pairs, is left out."""
    return escape("".join(each for each in text if unicodedata.category(each) not in _UNWRITABLE), quote=True)


def _url(svg: str) -> str:
    return "data:image/svg+xml;charset=utf-8," + quote(svg, safe="")


def _colour(hue: float, lightness: float) -> str:
    red, green, blue = (round(255 * each) for each in colorsys.hls_to_rgb(hue, lightness, _SATURATION))
    return f"#{red:02x}{green:02x}{blue:02x}"

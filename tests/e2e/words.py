"""Words, on a cluster: sent and queued, and an image found for one at the double of Unsplash, with a key from a Secret."""

from __future__ import annotations

import asyncio

from tests.e2e.imports import violations
from tests.e2e.installation import Installation
from tests.e2e.shell import Failed

from heliograph_client import WordEntry
from heliograph_local.doubles.addresses import UNSPLASH

_SECONDS = 120.0
_WORDS = [
    WordEntry(id="e2e-apple", text="apple", language="en", translation="Apfel", rank=1),
    WordEntry(id="e2e-bird", text="bird", language="en", translation="Vogel", rank=2),
    WordEntry(id="e2e-train", text="train", language="en", translation="Zug"),
]


def find_images(site: Installation) -> str:
    """Three words, the queue populated, and the image of the last one, which is asked for and so comes first."""
    return asyncio.run(_find_images(site))


async def _find_images(site: Installation) -> str:
    async with site.site().client() as api:
        written = await api.put_words(_WORDS)
        queued = await api.sync_words()
        found = await api.wait_for_word_image("e2e-train", _SECONDS)
        stats = await api.word_stats()
    credit = found.photo.attribution
    if not (credit.photographer in credit.text and credit.photographer_url and credit.provider == "unsplash"):
        raise Failed(f"the image of a word must say whose it is: {credit}")
    if stats.words < len(_WORDS) or not 0 < stats.budget.used <= stats.budget.limit:
        raise Failed(f"not what was sent and requested: {stats}")
    if any(said := await asyncio.to_thread(violations, site, (UNSPLASH,))):
        raise Failed(f"the double saw requests that Unsplash would not take: {said}")
    return (
        f"{written.received} words, {queued.added} queued, one with {credit.text!r}; {stats.budget.used} of "
        f"{stats.budget.limit} requests used"
    )

"""The methods of the client for words: sent in bulk, queued for images, shown with them; and for the caller's vocabulary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from heliograph_client.errors import WaitTimeout
from heliograph_client.pages import cursor_in
from heliograph_client.transport import Transport, parse
from heliograph_client.word_models import (
    VocabularyEntry,
    VocabularyPage,
    WhichWords,
    Word,
    WordEntry,
    WordFilter,
    WordImage,
    WordPage,
    WordsQueued,
    WordStats,
    WordsWritten,
    WordWaiting,
)

WORDS = "/v1/words"
VOCABULARY = "/v1/vocabulary"
MOST_WORDS = 30_000
"""Words of one request."""
OnWaiting = Callable[[WordWaiting], None]
"""Called each time that the word was looked at and still waits."""

_MOST_BYTES = 8_000_000
_FIRST_LOOK, _LONGEST = 0.5, 15.0


class Wording:
    """A part of ``AsyncClient``, which has the transport."""

    _transport: Transport

    async def put_words(self, words: Sequence[WordEntry]) -> WordsWritten:
        """Creates words and changes those whose ids there are, all or none of up to 30,000: ``bulks_of`` divides more.

        Raises:
            Rejected: a word is invalid; ``problem.errors`` says which, by JSON pointers.
        """
        body = {"words": [each.model_dump(mode="json", exclude_none=True) for each in words]}
        return parse(WordsWritten, await self._transport.request("PUT", WORDS, json=body))

    async def words(
        self,
        *,
        language: str | None = None,
        q: str | None = None,
        picture: WordFilter | None = None,
        page_size: int = 500,
    ) -> AsyncGenerator[Word, None]:
        """All words that match, by id, fetched page by page. ``q``: how their text begins."""
        cursor: str | None = None
        while True:
            params = {"language": language, "q": q, "picture": picture, "limit": page_size, "cursor": cursor}
            page = parse(WordPage, await self._transport.request("GET", WORDS, params=params))
            for each in page.words:
                yield each
            if (cursor := cursor_in(page.next)) is None:
                return

    async def word(self, word_id: str) -> Word:
        """One word.

        Raises:
            NotFound: there is none of that id.
        """
        return parse(Word, await self._transport.request("GET", word_path(word_id)))

    async def delete_word(self, word_id: str) -> None:
        """Deletes a word, from the queue and from all vocabularies. A stored copy of its image stays.

        Raises:
            NotFound: there is none of that id.
        """
        await self._transport.request("DELETE", word_path(word_id))

    async def sync_words(self, which: WhichWords = "all", *, days: int | None = None) -> WordsQueued:
        """Queues words that have no image. ``days`` for which a word is recent; ``None`` for the installation's default."""
        body = {"type": which} | ({} if days is None else {"days": days})
        return parse(WordsQueued, await self._transport.request("POST", f"{WORDS}/sync", json=body))

    async def word_stats(self) -> WordStats:
        """Numbers of words, of the queue, and of the requests that the provider still allows."""
        return parse(WordStats, await self._transport.request("GET", f"{WORDS}/stats"))

    async def word_image(self, word_id: str) -> WordImage | WordWaiting:
        """The image of a word; one that has none yet moves to the front of the queue, up to 100 of the caller's.

        Raises:
            WordImageMissing: none was found lately.
            NotFound: there is no word of that id.
        """
        return _image(await self._transport.request("GET", image_of(word_id)))

    async def change_word_image(self, word_id: str, *, photo_id: str | None = None) -> WordImage | WordWaiting:
        """Gives a word the photo of that id or, without one, another one than it has, which it never gets again by itself.
        What is not known yet is searched for.

        Raises:
            WordImageMissing: none was found lately.
            Rejected: it cannot be the id of a photo.
            NotFound: there is no word of that id.
        """
        body = {} if photo_id is None else {"photo_id": photo_id}
        return _image(await self._transport.request("POST", image_of(word_id), json=body, repeatable=False))

    async def remove_word_image(self, word_id: str) -> None:
        """Removes the image of a word, or the record that none was found: it is searched for again.

        Raises:
            NotFound: there is no word of that id.
        """
        await self._transport.request("DELETE", image_of(word_id))

    async def wait_for_word_image(
        self,
        word_id: str,
        timeout: float | None = 300.0,  # noqa: ASYNC109 - the search goes on, so the wait ends in words of its own
        *,
        photo_id: str | None = None,
        on_waiting: OnWaiting | None = None,
    ) -> WordImage:
        """The image of a word once it has one; with ``photo_id``, once it is that photo, which was named before.

        Raises:
            WaitTimeout: it has not within ``timeout`` seconds.
            WordImageMissing: none was found.
            NotFound: there is no word of that id.
        """
        until = None if timeout is None else time.monotonic() + timeout
        interval = _FIRST_LOOK
        while True:
            found = await self.word_image(word_id)
            if isinstance(found, WordWaiting):
                if on_waiting:
                    on_waiting(found)
            elif photo_id in {None, found.photo.photo_id}:
                return found
            left = interval if until is None else until - time.monotonic()
            if left <= 0:
                raise WaitTimeout(
                    f"word {word_id} has no {'image' if photo_id is None else f'photo {photo_id}'} after {timeout:g} s; the "
                    f"search goes on: wait longer, or look again with `heliograph words show {word_id}`"
                )
            await asyncio.sleep(min(interval, left))
            interval = min(interval * 1.5, _LONGEST)

    async def vocabulary(self, *, page_size: int = 500) -> AsyncGenerator[VocabularyEntry, None]:
        """The words that the caller learns, fetched page by page."""
        cursor: str | None = None
        while True:
            params = {"limit": page_size, "cursor": cursor}
            page = parse(VocabularyPage, await self._transport.request("GET", VOCABULARY, params=params))
            for each in page.vocabulary:
                yield each
            if (cursor := cursor_in(page.next)) is None:
                return

    async def add_to_vocabulary(self, word_id: str) -> VocabularyEntry:
        """Adds a word to the caller's vocabulary, whose words come before others in the queue.

        Raises:
            NotFound: there is no word of that id.
        """
        return parse(VocabularyEntry, await self._transport.request("PUT", learned_path(word_id)))

    async def remove_from_vocabulary(self, word_id: str) -> None:
        """Takes it out again.

        Raises:
            NotFound: it is not there.
        """
        await self._transport.request("DELETE", learned_path(word_id))


def bulks_of(words: Iterable[WordEntry], most: int = MOST_WORDS) -> Iterator[list[WordEntry]]:
    """``words`` divided into what ``put_words`` takes at a time, ``most`` at once."""
    bulk: list[WordEntry] = []
    size = 0
    for word in words:
        weight = len(word.model_dump_json(exclude_none=True).encode()) + 1
        if bulk and (len(bulk) == most or size + weight > _MOST_BYTES):
            yield bulk
            bulk, size = [], 0
        bulk.append(word)
        size += weight
    if bulk:
        yield bulk


def word_path(word_id: str) -> str:
    """Where a word is."""
    return f"{WORDS}/{quote(word_id, safe='')}"


def image_of(word_id: str) -> str:
    """Where the image of a word is."""
    return f"{word_path(word_id)}/image"


def learned_path(word_id: str) -> str:
    """Where a word of the vocabulary is."""
    return f"{VOCABULARY}/{quote(word_id, safe='')}"


def _image(response: Any) -> WordImage | WordWaiting:
    return parse(WordWaiting, response) if response.status_code == 202 else parse(WordImage, response)

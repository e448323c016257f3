"""The methods of ``sync.Client`` for words, each of which does what its namesake in ``AsyncClient`` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from heliograph_client.background import Background
from heliograph_client.word_models import (
    VocabularyEntry,
    WhichWords,
    Word,
    WordEntry,
    WordFilter,
    WordImage,
    WordsQueued,
    WordStats,
    WordsWritten,
    WordWaiting,
)
from heliograph_client.words import OnWaiting, Wording


class BlockingWords(Background):
    """A part of ``Client``, which has the asynchronous one."""

    _client: Wording

    def put_words(self, words: Sequence[WordEntry]) -> WordsWritten:
        """See ``AsyncClient.put_words``."""
        return self._run(self._client.put_words(words))

    def words(
        self,
        *,
        language: str | None = None,
        q: str | None = None,
        picture: WordFilter | None = None,
        page_size: int = 500,
    ) -> Iterator[Word]:
        """See ``AsyncClient.words``."""
        return self._iterate(self._client.words(language=language, q=q, picture=picture, page_size=page_size))

    def word(self, word_id: str) -> Word:
        """See ``AsyncClient.word``."""
        return self._run(self._client.word(word_id))

    def delete_word(self, word_id: str) -> None:
        """See ``AsyncClient.delete_word``."""
        self._run(self._client.delete_word(word_id))

    def sync_words(self, which: WhichWords = "all", *, days: int | None = None) -> WordsQueued:
        """See ``AsyncClient.sync_words``."""
        return self._run(self._client.sync_words(which, days=days))

    def word_stats(self) -> WordStats:
        """See ``AsyncClient.word_stats``."""
        return self._run(self._client.word_stats())

    def word_image(self, word_id: str) -> WordImage | WordWaiting:
        """See ``AsyncClient.word_image``."""
        return self._run(self._client.word_image(word_id))

    def change_word_image(self, word_id: str, *, photo_id: str | None = None) -> WordImage | WordWaiting:
        """See ``AsyncClient.change_word_image``."""
        return self._run(self._client.change_word_image(word_id, photo_id=photo_id))

    def remove_word_image(self, word_id: str) -> None:
        """See ``AsyncClient.remove_word_image``."""
        self._run(self._client.remove_word_image(word_id))

    def wait_for_word_image(
        self,
        word_id: str,
        timeout: float | None = 300.0,
        *,
        photo_id: str | None = None,
        on_waiting: OnWaiting | None = None,
    ) -> WordImage:
        """See ``AsyncClient.wait_for_word_image``."""
        waiting = self._client.wait_for_word_image(word_id, timeout, photo_id=photo_id, on_waiting=on_waiting)
        return self._run(waiting)

    def vocabulary(self, *, page_size: int = 500) -> Iterator[VocabularyEntry]:
        """See ``AsyncClient.vocabulary``."""
        return self._iterate(self._client.vocabulary(page_size=page_size))

    def add_to_vocabulary(self, word_id: str) -> VocabularyEntry:
        """See ``AsyncClient.add_to_vocabulary``."""
        return self._run(self._client.add_to_vocabulary(word_id))

    def remove_from_vocabulary(self, word_id: str) -> None:
        """See ``AsyncClient.remove_from_vocabulary``."""
        self._run(self._client.remove_from_vocabulary(word_id))

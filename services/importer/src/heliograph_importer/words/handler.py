"""Takes one step towards the picture of a word: at most one request to a provider, and what follows from its answer.

What was answered is written down however long PostgreSQL takes: it is paid for. A request whose answer was lost, because
its importer died, is not made again for free.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from heliograph_common.contracts.body import Command
from heliograph_common.contracts.word_messages import FindPicture, Photo, WordImageRemoved, WordImageStored
from heliograph_common.db import provider_states
from heliograph_common.db.rows import Connection, Row
from heliograph_common.db.words import pictures
from heliograph_common.db.words.pictures import Choice
from heliograph_common.errors import HeliographError, Unavailable
from heliograph_common.messaging.job import Job
from heliograph_common.messaging.transaction import Transaction
from heliograph_common.telemetry import metrics
from heliograph_importer.cleaning import reason_of
from heliograph_importer.words import claims, failures, outcomes, queries
from heliograph_importer.words.claims import Claim, Rules
from heliograph_importer.words.files import FileFailed, Files
from heliograph_importer.words.outcomes import Write, photo_of_row, settled
from heliograph_importer.words.providers.port import (
    KeyMissing,
    KeyRefused,
    Missing,
    ProviderFailed,
    RateLimited,
    Rejected,
)
from heliograph_importer.words.scoring import rank
from heliograph_importer.words.steps import terms_of

log = structlog.get_logger(__name__)

_KEEP_DELAYS = (0.2, 0.5, 1.0, 2.0)


class WordHandler:
    """Handles ``find.picture``. ``ended`` is called when a step has ended."""

    consumer = "importer-words"
    command = FindPicture

    def __init__(self, rules: Rules, files: Files, *, ended: Callable[[], None]) -> None:
        self._rules = rules
        self._files = files
        self._ended = ended

    async def adopt(self, connection: Connection, command: Command) -> bool:
        """There is no work without a row: the same transaction writes both."""
        return False

    async def claim(self, job: Job, transaction: Transaction) -> Claim | None:
        """Takes the word; ``None`` when there is nothing to do (see ``claims.claim``)."""
        if job.fence is None:
            raise RuntimeError("the attempt has not begun")
        claim = await claims.claim(transaction, self._rules, job.command.target, job.fence)
        if claim is None:
            self._ended()
        return claim

    async def handle(self, job: Job, claim: Claim) -> None:
        """Takes the step. What is the provider's fault puts the word back."""
        task = claim.taken.queued.task
        with structlog.contextvars.bound_contextvars(word_id=claim.taken.word.id, task=task):
            steps = {"search": self._search, "photo": self._photo, "download": self._download}
            try:
                await steps[task](job, claim)
            except (KeyMissing, KeyRefused, RateLimited, ProviderFailed) as error:
                await self._failed(job, claim, error)
        self._ended()

    async def give_up(self, job: Job, failure: HeliographError, transaction: Transaction) -> None:
        """Remembers that there is no picture for now."""
        taken = await queries.take(transaction.connection, job.command.target, now=self._rules.clock())
        if taken is not None:
            await outcomes.failed(transaction, self._rules, taken, reason_of(failure))

    async def _search(self, job: Job, claim: Claim) -> None:
        found = await self._look(claim)
        await self._write(job, claim, lambda to: self._searched(to, claim, found))

    async def _look(self, claim: Claim) -> Choice | int | None:
        """Searches at one provider, and then at those that need no request. The choice; or the number of the step that is
        next; or ``None``, where none is left."""
        word, number = claim.taken.word, claim.taken.queued.step
        while (step := self._rules.step(claim.taken, number)) is not None:
            if number > claim.taken.queued.step and step.provider.budget is not None:
                return int(number)
            photos: Sequence[Photo] = ()
            try:
                photos = await step.provider.search(step.query, language=step.language)
            except Rejected as error:
                log.info("search refused", reason=reason_of(error))
                _count(claim, "rejected")
            else:
                _count(claim, "found" if photos else "nothing", provider=step.provider.name)
            ranked = rank(photos, terms=terms_of(word.text, word.translation), rejected=word.rejected)
            if ranked:
                others = [each.photo for each in ranked[1:]]
                return Choice(ranked[0].photo, others, query=step.query, score=ranked[0].score)
            number += 1
        return None

    async def _searched(self, transaction: Transaction, claim: Claim, found: Choice | int | None) -> None:
        if isinstance(found, Choice):
            await outcomes.chosen(transaction, self._rules, claim.key, found)
        elif found is not None:
            await queries.go_on(transaction.connection, claim.key, task="search", step=found)
        else:
            await claims.leave(transaction, self._rules, claim.taken)

    async def _photo(self, job: Job, claim: Claim) -> None:
        try:
            photo = await claim.provider.photo(claim.taken.queued.photo_id or "")
        except (Missing, Rejected) as error:
            _count(claim, "missing")
            log.info("named photo not found", reason=reason_of(error))
            return await self._write(job, claim, lambda to: outcomes.unknown(to, claim.taken.word))
        _count(claim, "found")
        choice = Choice(photo, named=True)
        return await self._write(job, claim, lambda to: outcomes.chosen(to, self._rules, claim.key, choice))

    async def _download(self, job: Job, claim: Claim) -> None:
        row = claim.taken.picture
        if row is None:
            raise RuntimeError("a word without a picture was claimed to be downloaded")
        photo = photo_of_row(row)
        url = claim.provider.file_url(photo)
        if claim.request:
            try:
                url = await claim.provider.download(photo)
            except Missing:
                _count(claim, "missing")
                return await self._write(job, claim, lambda to: self._gone(to, claim, photo))
            except Rejected as error:  # another photo would be refused as well: the picture stays, linked
                _count(claim, "rejected")
                reason = reason_of(error)
                log.warning("download refused", reason=reason)
                return await self._write(job, claim, lambda to: outcomes.failed(to, self._rules, claim.taken, reason))
            _count(claim, "done")
            if row.storing == "pending":
                await self._kept(lambda: self._told(job, claim, photo))
        word: Row[Any] | None = claim.taken.word if row.storing == "done" else None
        if row.storing == "pending":
            word = await self._store(job, claim, photo, url)
            if word is None:
                return None

        async def finished(transaction: Transaction) -> None:
            await pictures.note_download(transaction.connection, claim.key, photo.id)
            current = await pictures.find(transaction.connection, claim.key)
            await queries.done(transaction.connection, claim.key)
            if word is not None and current is not None and current.image_id is not None:
                event = WordImageStored(**pictures.event_facts(word), image_id=current.image_id)
                transaction.event(event, owner=self._rules.owner)

        return await self._write(job, claim, finished)

    async def _told(self, job: Job, claim: Claim, photo: Photo) -> None:
        """Notes the download before the file is fetched: whatever becomes of that, the provider is not told again."""
        async with job.transaction() as transaction:
            if await queries.hold(transaction.connection, claim.key, claim.fence) is not None:
                await pictures.note_download(transaction.connection, claim.key, photo.id)

    async def _store(self, job: Job, claim: Claim, photo: Photo, url: str) -> Row[Any] | None:
        """Stores a copy; returns the word. ``None``: it was not stored, and that is written down."""
        stored: list[Row[Any]] = []

        async def settle(connection: Connection, image: Row[Any]) -> None:
            stored.clear()
            if await queries.hold(connection, claim.key, claim.fence) is None:
                return
            word = await pictures.note_stored(connection, claim.key, photo.id, image.id)
            if word is not None:
                stored.append(word)

        try:
            await self._files.store(url, photo, claim.taken.word.text, settle)
        except FileFailed as error:
            await self._not_stored(job, claim, photo, error)
            return None
        return stored[0] if stored else claim.taken.word

    async def _not_stored(self, job: Job, claim: Claim, photo: Photo, error: FileFailed) -> None:
        reason = reason_of(error)
        final = error.final or claim.taken.queued.failures + 1 >= failures.MOST_FAILURES
        log.warning("picture not stored", final=final, reason=reason)

        async def noted(transaction: Transaction) -> None:
            if final:
                await pictures.note_not_stored(transaction.connection, claim.key, photo.id, reason)
                await queries.done(transaction.connection, claim.key)
            else:
                wait = failures.PATIENCE * 4**claim.taken.queued.failures
                await queries.fail(transaction.connection, claim.key, counts=True, wait=wait, now=self._rules.clock())

        await self._write(job, claim, noted)

    async def _gone(self, transaction: Transaction, claim: Claim, photo: Photo) -> None:
        """The provider has taken the photo away: another one is searched."""
        connection = transaction.connection
        await pictures.reject(connection, claim.key, photo.provider, photo.id)
        word = await pictures.forget(connection, claim.key)
        await queries.go_on(connection, claim.key, task="search")
        if word is not None:
            transaction.event(WordImageRemoved(**pictures.event_facts(word)), owner=self._rules.owner)

    async def _failed(self, job: Job, claim: Claim, error: failures.Failure) -> None:
        _count(claim, failures.outcome(error))

        async def concluded() -> None:
            async with job.conclude() as transaction:
                # The word is locked before the provider, as by all who lock both; the pause is for all words.
                await queries.hold(transaction.connection, claim.key, claim.fence)
                wait = await failures.pause(transaction.connection, claim, error)
                await settled(transaction, claim, lambda to: failures.note(to, self._rules, claim, error, wait))

        await self._kept(concluded)

    async def _write(self, job: Job, claim: Claim, write: Write) -> None:
        """Ends a step that the provider has answered, so it is well."""
        rest = claim.provider.rest() if claim.request else None

        async def concluded() -> None:
            async with job.conclude() as transaction:
                await settled(transaction, claim, write)
                if claim.request and not claim.well:
                    await provider_states.resume(transaction.connection, str(claim.provider.budget))
                if rest is not None:
                    await failures.rest(transaction.connection, self._rules, claim, rest)

        await self._kept(concluded)

    async def _kept(self, write: Callable[[], Awaitable[None]]) -> None:
        """Waits for PostgreSQL as long as the attempt may take: the answer is in memory only."""
        attempt = 0
        while True:
            try:
                return await write()
            except Unavailable as error:
                log.warning("answer not written yet, retrying", error=str(error))
            await asyncio.sleep(_KEEP_DELAYS[min(attempt, len(_KEEP_DELAYS) - 1)])
            attempt += 1


def _count(claim: Claim, outcome: str, *, provider: str | None = None) -> None:
    name = provider or claim.provider.name
    metrics.word_requests.labels(provider=name, task=claim.taken.queued.task, outcome=outcome).inc()

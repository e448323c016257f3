"""Takes a word for an attempt: says which request is to be made, and has it charged in the same transaction.

A word that cannot be worked on now goes back to its place, and one that has nothing left to be done leaves the queue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from heliograph_common.contracts.word_messages import WordImageNotFound
from heliograph_common.db import provider_states
from heliograph_common.db.rows import Connection
from heliograph_common.db.words import budget, pictures
from heliograph_common.messaging.transaction import Transaction
from heliograph_importer.words import queries
from heliograph_importer.words.providers.port import PhotoProvider
from heliograph_importer.words.queries import Taken
from heliograph_importer.words.steps import Step, step_of

Clock = Callable[[], datetime]

NO_RESULTS = "no provider has a picture for the word or its translation: name a photo, or change the word's text"


@dataclass(frozen=True)
class Rules:
    """How pictures are found. ``quota``: requests per hour to all providers together. ``store``: whether a copy is kept.
    ``owner`` of copies and messages. ``miss``: how long a miss is remembered. ``now``: the clock, else PostgreSQL's."""

    providers: Sequence[PhotoProvider]
    quota: int
    store: bool
    owner: str
    miss: timedelta
    now: Clock | None = None

    def __post_init__(self) -> None:
        if len({each.budget for each in self.providers} - {None}) > 1:
            raise ValueError("providers that make requests share one budget: give them one name of it")

    @property
    def budget(self) -> str | None:
        """The one that all providers share; ``None``: none of them makes requests."""
        return next((each.budget for each in self.providers if each.budget is not None), None)

    def clock(self) -> datetime | None:
        """The present of the clock; ``None`` for PostgreSQL's own."""
        return None if self.now is None else self.now()

    def step(self, taken: Taken, number: int) -> Step | None:
        """A search for the word."""
        word = taken.word
        return step_of(self.providers, number, text=word.text, translation=word.translation, language=word.language)


@dataclass(frozen=True)
class Claim:
    """A word in the hands of the attempt ``fence``. ``request``: one to ``provider`` is charged, and may be made.
    ``well``: the requests before it did not fail."""

    taken: Taken
    fence: int
    provider: PhotoProvider
    request: bool
    well: bool

    @property
    def key(self) -> UUID:
        """The word's."""
        key: UUID = self.taken.word.key
        return key


async def claim(transaction: Transaction, rules: Rules, key: UUID, fence: int) -> Claim | None:
    """Takes the word; ``None``: nothing is to be done now, and its row says so."""
    connection = transaction.connection
    taken = await queries.take(connection, key, now=rules.clock())
    if taken is None:
        return None
    provider = _provider(rules, taken)
    if provider is None or (taken.queued.task == "search" and taken.picture is not None):
        await leave(transaction, rules, taken)
        return None
    if not _needs_request(taken, provider):
        await queries.begin(connection, key, fence)
        return Claim(taken, fence, provider, request=False, well=True)
    state = await provider_states.state_of(connection, _budget(provider))
    if state.paused:
        await queries.put_back(connection, key)
        return None
    if not await _charged(connection, rules, taken, _budget(provider)):
        return None
    await queries.begin(connection, key, fence)
    return Claim(taken, fence, provider, request=True, well=not state.failing)


async def note_miss(
    transaction: Transaction, rules: Rules, key: UUID, *, code: str, reason: str, keep: timedelta
) -> None:
    """Remembers that a word, which is locked, has no picture, and takes it out of the queue."""
    connection = transaction.connection
    word = await pictures.miss(connection, key, code=code, reason=reason, keep=keep, now=rules.clock())
    await queries.done(connection, key)
    event = WordImageNotFound(
        **pictures.event_facts(word), code=code, reason=reason, search_again_at=word.search_again_at
    )
    transaction.event(event, owner=rules.owner)


async def leave(transaction: Transaction, rules: Rules, taken: Taken) -> None:
    """Ends what has no next step: all searches were made, or the word has a picture by
    now, or that is gone, or its provider is."""
    if taken.queued.task == "search" and taken.picture is None:
        await note_miss(transaction, rules, taken.word.key, code="no_results", reason=NO_RESULTS, keep=rules.miss)
    else:
        await queries.done(transaction.connection, taken.word.key)


def _provider(rules: Rules, taken: Taken) -> PhotoProvider | None:
    """Whom the next step asks; ``None``: there is no next step."""
    if taken.queued.task == "search":
        step = rules.step(taken, taken.queued.step)
        return None if step is None else step.provider
    if taken.queued.task == "photo":
        return next((each for each in rules.providers if each.budget is not None), None)
    name = None if taken.picture is None else taken.picture.provider
    return next((each for each in rules.providers if each.name == name), None)


def _needs_request(taken: Taken, provider: PhotoProvider) -> bool:
    if provider.budget is None:
        return False
    return taken.queued.task != "download" or (taken.picture is not None and taken.picture.downloaded_at is None)


def _budget(provider: PhotoProvider) -> str:
    if provider.budget is None:
        raise RuntimeError(f"{provider.name} makes no requests")
    return provider.budget


async def _charged(connection: Connection, rules: Rules, taken: Taken, name: str) -> bool:
    later = await budget.charge(
        connection,
        name,
        rules.quota,
        asked=taken.queued.asked_by is not None,
        word_key=taken.word.key,
        task=taken.queued.task,
        now=rules.clock(),
    )
    if later is not None:
        await queries.put_back(connection, taken.word.key, until=later)
    return later is None

"""What tests of words talk with: words in the test's database, the double of Unsplash, and importers in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.components import started
from tests.polling import until

from heliograph_common.auth.late_key import LateKey
from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.bus.connection import Bus
from heliograph_common.db.engine import Database
from heliograph_common.db.word_models import ProviderRequest, QueuedWord, Word, WordImage
from heliograph_common.db.words import entries, queue
from heliograph_common.db.words.entries import Entry, key_of
from heliograph_common.errors import DatabaseUnavailable
from heliograph_common.ingest.accept import Ingest
from heliograph_common.ingest.spool import limits_of
from heliograph_common.messaging.worker import WorkerSettings
from heliograph_common.outbound.client import GuardedClient
from heliograph_common.runtime.backbone import Backbone
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.lifecycle import Component
from heliograph_importer.bootstrap import wire_words
from heliograph_importer.settings import ImporterSettings, UnsplashSettings
from heliograph_importer.words.claims import Rules
from heliograph_importer.words.dispatcher import WordDispatcher
from heliograph_importer.words.files import Files
from heliograph_importer.words.handler import WordHandler
from heliograph_importer.words.populator import Populator
from heliograph_importer.words.providers.port import PhotoProvider
from heliograph_importer.words.providers.unsplash import Unsplash
from heliograph_local.doubles.unsplash import UnsplashDouble

PLENTY = 100_000
"""Requests per hour where the budget is not what is tested."""


@dataclass
class SetClock:
    """A clock that tests set."""

    now: datetime = field(default_factory=lambda: datetime(2031, 5, 1, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        """The same as the double's clock has it."""
        return self.now.timestamp()

    def pass_by(self, seconds: float) -> None:
        """Lets so much time pass."""
        self.now += timedelta(seconds=seconds)


@dataclass
class Words:
    """Words in the test's database, and what has become of them."""

    database: Database
    double: UnsplashDouble
    base_url: str
    settings: ImporterSettings
    make_backbone: Callable[[], Backbone]
    key: str = "set by the fixture"

    async def add(self, *given: Entry) -> None:
        """Writes words and queues them."""
        async with self.database.transaction() as connection:
            await entries.write(connection, {entry.id: entry for entry in given})
            await queue.populate(connection, "all", days=7)

    async def ask(self, word_id: str, owner: str = "ann", *, photo_id: str | None = None) -> None:
        """Asks for a word as the gateway does."""
        async with self.database.transaction() as connection:
            await queue.ask(connection, key_of(word_id), owner, photo_id=photo_id)

    def unsplash(self, key: LateKey | None = None) -> Unsplash:
        """The provider, which talks to the double."""
        settings = UnsplashSettings(base_url=self.base_url, access_key=SecretStr(self.key))
        return Unsplash(settings, key or LateKey(self.key))

    def components(
        self,
        backbone: Backbone,
        photos: Sequence[PhotoProvider] = (),
        *,
        now: Callable[[], datetime] | None = None,
        **words: Any,
    ) -> Sequence[Component]:
        """What finds pictures. ``words`` are fields of ``WordSettings``."""
        changed = self.settings.words.model_copy(update={"requests_per_hour": PLENTY, **words})
        settings = self.settings.model_copy(update={"words": changed})
        ingest = Ingest(backbone.database, backbone.messenger, backbone.blobs, waiting_before_low=100)
        return wire_words(backbone, settings, ingest, photos or [self.unsplash()], now)

    @asynccontextmanager
    async def importer(self, *photos: PhotoProvider, **words: Any) -> AsyncIterator[None]:
        """An importer in this process that finds pictures."""
        backbone = self.make_backbone()
        async with started([*backbone.components, *self.components(backbone, photos, **words)]):
            yield

    async def picture(self, word_id: str) -> Any:
        """The picture of a word."""
        return await self._one(select(WordImage.__table__).where(WordImage.word_key == key_of(word_id)))

    async def word(self, word_id: str) -> Any:
        """The word."""
        return await self._one(select(Word.__table__).where(Word.key == key_of(word_id)))

    async def queued(self, word_id: str) -> Any:
        """Its row in the queue."""
        return await self._one(select(QueuedWord.__table__).where(QueuedWord.word_key == key_of(word_id)))

    async def state(self) -> Any:
        """How the provider takes requests."""
        return await self._one(text("SELECT * FROM provider_states"))

    async def requests(self) -> Sequence[Any]:
        """What was charged, oldest first."""
        async with self.database.transaction() as connection:
            statement = select(ProviderRequest.__table__).order_by(ProviderRequest.at)
            return (await connection.execute(statement)).all()

    async def idle(self, seconds: float = 30.0) -> None:
        """Returns once no word is queued, and no work is left."""

        async def none() -> bool:
            return (
                await self._one(
                    text("SELECT 1 FROM word_queue UNION ALL SELECT 1 FROM work WHERE kind = 'word' LIMIT 1")
                )
                is None
            )

        await until(none, seconds)

    async def rows(self, statement: str) -> Sequence[Any]:
        """What a query gives."""
        async with self.database.transaction() as connection:
            return (await connection.execute(text(statement))).all()

    async def change(self, statement: str, **values: Any) -> None:
        """Changes rows behind the importer's back."""
        async with self.database.transaction() as connection:
            await connection.execute(text(statement), values)

    async def hurry(self) -> None:
        """Ends the pause. A word that waits by itself goes on waiting, but not for long: others are to come first."""
        await self.change("UPDATE provider_states SET paused_until = now()")
        soon = "now() + interval '0.4 seconds'"
        await self.change(f"UPDATE word_queue SET not_before = {soon} WHERE not_before > {soon}")  # noqa: S608

    def asked(self, call: str = "") -> list[str]:
        """What the double was asked about, by the name of the call."""
        return [each.about for each in self.double.calls if call in {"", each.call}]

    async def _one(self, statement: Any) -> Any:
        async with self.database.transaction() as connection:
            return (await connection.execute(statement)).one_or_none()


class MortalDatabase(Database):
    """One that is gone as soon as ``dead`` is set, as for a process that was killed: what its tasks do in their last moments
    changes nothing."""

    dead = False

    @asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncIterator[AsyncConnection]:
        """As ``Database``."""
        if self.dead:
            raise DatabaseUnavailable("this process was killed")
        async with super().transaction(**options) as connection:
            yield connection


class Replica:
    """An importer that finds pictures, whose dispatcher and populator run when they are told to, and that can be killed."""

    def __init__(
        self,
        words: Words,
        photos: PhotoProvider,
        *,
        quota: int = PLENTY,
        now: Callable[[], datetime] | None = None,
        store: bool = False,
    ) -> None:
        settings = words.settings
        self.database = MortalDatabase(settings.database, application="importer-to-kill")
        self.bus = Bus(settings.nats, client_name="importer-to-kill")
        blobs = MinioBlobs(settings.s3)
        backbone = Backbone("importer", settings, Health(), database=self.database, blobs=blobs, bus=self.bus)
        rules = Rules([photos], quota=quota, store=store, owner="words", miss=timedelta(days=30), now=now)
        ingest = Ingest(self.database, backbone.messenger, blobs, waiting_before_low=100)
        files = Files(GuardedClient(settings.urls.allowed_networks), ingest, limits_of(settings.limits), owner="words")
        self.dispatcher = WordDispatcher(backbone.messenger, rules, ready=photos.waits_for)
        self.populator = Populator(self.database, every=timedelta(minutes=30), days=7, now=now)
        worker = backbone.worker(
            WordHandler(rules, files, ended=lambda: None),
            WorkerSettings(slots=2),
            patience=5.0,
            available=(),
            gate=lambda: photos.waits_for() is None,
        )
        self._closing = [photos.close, files.close]
        self._components: list[Component] = [*backbone.components, *worker]

    async def start(self) -> Replica:
        """Begins to take work."""
        for component in self._components:
            await component.start()
        await self.bus.wait_connected()
        return self

    async def kill(self) -> None:
        """Ends it as a crash does: its connections are gone and its tasks end where they stand."""
        self.database.dead = True
        await self.bus.stop(1.0)
        tasks = [task for component in self._components for task in _tasks(component)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.stop()

    async def stop(self) -> None:
        """Ends it in good order; after ``kill`` only what the test's process would keep."""
        for component in reversed(self._components):
            await component.stop(5.0)
        for close in self._closing:
            await close()


def _tasks(component: Component) -> list[asyncio.Task[Any]]:
    """The tasks of a component."""
    found: list[asyncio.Task[Any]] = []
    for value in vars(component).values():
        each = value if isinstance(value, list | set) else [value]
        found += [task for task in each if isinstance(task, asyncio.Task)]
    return found

"""What the analyzer's tests talk with: rendered images, analyses of them, running analyzers, and OpenAI's double."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import simplejpeg
from nats.js.errors import NotFoundError
from sqlalchemy import func, insert, select
from tests.components import started
from tests.polling import until

from heliograph_analyzer.bootstrap import wire
from heliograph_analyzer.models.connect import connect
from heliograph_analyzer.settings import AnalyzerSettings
from heliograph_common.auth.late_key import LateKey
from heliograph_common.contracts.sizes import ANALYSIS_SIZE
from heliograph_common.db.analysis_models import Analysis, AnalysisBudget, AnalysisCall, AnalysisUsage
from heliograph_common.db.image_models import Image, Rendition
from heliograph_common.db.statements import find_image
from heliograph_common.db.work_models import Work
from heliograph_common.ids import new_id
from heliograph_common.ingest import analysis
from heliograph_common.ingest.analysis import Wanted
from heliograph_common.runtime.backbone import Backbone
from heliograph_common.runtime.health import Health
from heliograph_local.doubles.addresses import OPENAI_KEY
from heliograph_local.doubles.openai.app import OpenAIDouble


def jpeg(number: int) -> bytes:
    """A small JPEG, another one with each number."""
    colour = [number % 256, number // 256 % 256, 90]
    return bytes(simplejpeg.encode_jpeg(np.full((32, 48, 3), colour, dtype=np.uint8), quality=90))


def digest(number: int) -> str:
    """What the double calls the picture of that number."""
    return hashlib.sha256(jpeg(number)).hexdigest()


@dataclass
class Analyses:
    """Images and analyses in the test's database, a double of OpenAI, and analyzers."""

    backbone: Backbone
    settings: AnalyzerSettings
    double: OpenAIDouble
    url: str

    @asynccontextmanager
    async def analyzer(
        self, *, key: str | None = OPENAI_KEY, key_file: Path | None = None, openai: Any = None, **own: Any
    ) -> AsyncIterator[Health]:
        """An analyzer in this process. ``own`` are fields of ``AnalyzerOwnSettings``."""
        model = {"base_url": f"{self.url}/v1"} | (openai or {})
        settings = self.settings.model_copy(
            update={
                "openai": self.settings.openai.model_copy(update=model),
                "analyzer": self.settings.analyzer.model_copy(update=own),
            }
        )
        health = Health()
        credentials = LateKey(key, file=lambda: key_file)
        backbone = Backbone.connect("analyzer", settings, health)
        async with started([*wire(backbone, settings, health, credentials, connect(settings.openai, credentials))]):
            yield health

    async def image(self, number: int, *, owner: str = "ann", shown: bool = True, **values: Any) -> UUID:
        """A rendered image; ``shown``: with the rendition for models."""
        data = jpeg(number)
        row: dict[str, Any] = {
            "id": new_id(), "owner": owner, "name": f"{number}.jpg", "source": "upload", "bytes": len(data),
            "sha256": hashlib.sha256(f"{owner} {number} {new_id()}".encode()).hexdigest(), "mime_type": "image/jpeg",
            "width": 48, "height": 32, "pixel_hash": f"pixels-{number}", "processing_status": "complete",
            "thumbnail_status": "complete", "variant_status": "complete",
        } | values  # fmt: skip
        key = f"renditions/{row['sha256']}/1/analysis.jpg"
        rendition = {
            "image_id": row["id"], "name": ANALYSIS_SIZE.name, "kind": "thumbnail", "width": 48, "height": 32,
            "format": "jpeg", "bytes": len(data), "key": key,
        }  # fmt: skip
        await self.backbone.blobs.put(key, data, content_type="image/jpeg")
        async with self.backbone.database.transaction() as connection:
            await connection.execute(insert(Image).values(row))
            if shown:
                await connection.execute(insert(Rendition).values(rendition))
        found: UUID = row["id"]
        return found

    async def ask(self, image_id: UUID, profile: str = "describe", *, urgent: bool = False) -> UUID:
        """Asks for an analysis as the gateway does; returns its id."""
        async with self.backbone.messenger.transaction() as transaction:
            image = await find_image(transaction.connection, image_id)
            assert image is not None
            await analysis.ask(transaction, image, Wanted(profile, urgent))
            found = select(Analysis.id).where(Analysis.image_id == image_id, Analysis.profile == profile)
            asked: UUID = (await transaction.connection.execute(found)).scalar_one()
        return asked

    async def asked(self, number: int, profile: str = "describe", *, urgent: bool = True, **image: Any) -> UUID:
        """An analysis of a new image."""
        return await self.ask(await self.image(number, **image), profile, urgent=urgent)

    async def row(self, analysis_id: UUID) -> Any:
        """The row of an analysis."""
        async with self.backbone.database.transaction() as connection:
            return (await connection.execute(select(Analysis.__table__).where(Analysis.id == analysis_id))).one()

    async def ended(self, *analysis_ids: UUID, seconds: float = 60.0) -> Sequence[Any]:
        """Their rows once all have ended."""

        async def ended() -> Any:
            rows = [await self.row(each) for each in analysis_ids]
            return rows if all(row.status in {"completed", "failed"} for row in rows) else None

        found: Sequence[Any] = await until(ended, seconds)
        return found

    async def waiting(self, analysis_id: UUID, reason: str) -> Any:
        """Its row once it waits because of ``reason``."""

        async def waits() -> Any:
            row = await self.row(analysis_id)
            return row if row.status == "queued" and reason in (row.waiting_reason or "") else None

        return await until(waits)

    async def image_row(self, image_id: UUID) -> Any:
        """The row of an image."""
        async with self.backbone.database.transaction() as connection:
            return await find_image(connection, image_id)

    async def ledger(self) -> Sequence[Any]:
        """All calls, the first first."""
        async with self.backbone.database.transaction() as connection:
            return (await connection.execute(select(AnalysisCall.__table__).order_by(AnalysisCall.id))).all()

    async def usage(self) -> Sequence[Any]:
        """What was used, by owner, profile and model."""
        async with self.backbone.database.transaction() as connection:
            return (await connection.execute(select(AnalysisUsage.__table__).order_by(AnalysisUsage.owner))).all()

    async def charged(self, scope: str = "") -> int:
        """Tokens that were charged to an owner, or to the installation."""
        charged = select(func.coalesce(func.sum(AnalysisBudget.tokens), 0)).where(AnalysisBudget.scope == scope)
        async with self.backbone.database.transaction() as connection:
            return int((await connection.execute(charged)).scalar_one())

    async def no_work(self) -> None:
        """Returns once there is no row of work for analyses."""

        async def none() -> bool:
            async with self.backbone.database.transaction() as connection:
                return not (await connection.execute(select(Work.kind).where(Work.kind == "analyze"))).all()

        await until(none)

    async def events(self, count: int, *, of: str = "image.analyzed") -> list[dict[str, Any]]:
        """The data of the events of a type, once there are so many."""
        return await events_of(self.backbone, of, count)


async def events_of(backbone: Backbone, kind: str, count: int) -> list[dict[str, Any]]:
    """The first ``count`` events of a type."""

    async def told() -> Any:
        found, sequence = [], 1
        try:
            while True:
                message = await backbone.bus.jetstream.get_msg("EVENTS", sequence, subject=f"events.{kind}", next=True)
                found.append(msgspec.json.decode(message.data or b"")["data"])
                sequence = (message.seq or 0) + 1
        except NotFoundError:
            return found if len(found) >= count else None

    found: list[dict[str, Any]] = await until(told)
    return found

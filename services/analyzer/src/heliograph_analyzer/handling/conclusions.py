"""How an analysis ends: its row, its image, what others learn of the same pixels, and the event, in one transaction."""

from __future__ import annotations

from typing import Any

from heliograph_analyzer.answers import queries as answers
from heliograph_analyzer.answers.queries import Key
from heliograph_analyzer.handling import queries
from heliograph_analyzer.handling.queries import Claim
from heliograph_analyzer.profiles.port import Profile
from heliograph_analyzer.spending import queries as spending
from heliograph_common.contracts.messages import ImageAnalysisFailed, ImageAnalyzed
from heliograph_common.db.analyses import AnalysisRow
from heliograph_common.db.statements import ImageRow, event_facts
from heliograph_common.messaging.job import Job
from heliograph_common.messaging.transaction import Transaction
from heliograph_common.telemetry import metrics


async def completed(job: Job, held: Claim, profile: Profile, key: Key, result: dict[str, Any]) -> None:
    """Writes the result.

    Raises:
        Stale: a newer attempt has the analysis.
    """
    async with job.conclude() as transaction:
        connection = transaction.connection
        asked = {"model": key.model, "detail": key.detail, "profile_version": key.profile_version}
        facts = profile.facts(result)
        ended = await queries.complete(connection, held, facts, describes=profile.describes, result=result, **asked)
        await answers.conclude(connection, key, held.analysis.id, result=result, code=None, reason=None)
        if ended is None:
            return
        row, image = ended
        if row.source == "cache":
            await spending.note_hit(connection, row, key.model)
        event = ImageAnalyzed(
            **event_facts(image),
            analysis_id=row.id,
            profile=row.profile,
            result=result,
            source=row.source,
            model=key.model,
        )
        transaction.event(event, owner=row.owner)
    metrics.analyses.labels(held.analysis.profile, "completed").inc()
    metrics.analysis_answers.labels(held.analysis.profile, row.source).inc()


async def failed(job: Job, held: Claim, key: Key | None, code: str, reason: str) -> None:
    """Writes why there is no result.

    Raises:
        Stale: a newer attempt has the analysis.
    """
    async with job.conclude() as transaction:
        connection = transaction.connection
        ended = await queries.fail(connection, held, code=code, reason=reason)
        if key is not None:
            await answers.conclude(connection, key, held.analysis.id, result=None, code=code, reason=reason)
        if ended is not None:
            announce_failure(transaction, *ended)


def announce_failure(transaction: Transaction, row: AnalysisRow, image: ImageRow) -> None:
    """States that an analysis failed."""
    event = ImageAnalysisFailed(
        **event_facts(image), analysis_id=row.id, profile=row.profile, code=row.error_code, reason=row.error
    )
    transaction.event(event, owner=row.owner)
    metrics.analyses.labels(row.profile, "failed").inc()

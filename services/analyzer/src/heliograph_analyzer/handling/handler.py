"""Analyzes one image: takes it, looks whether the answer is known, asks the model, writes down what came of it.

What was answered is written before anything is made of it (``_keep``), however long PostgreSQL takes; so only a call that
was under way when its analyzer died is made again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from heliograph_analyzer import waits
from heliograph_analyzer.answers import queries as answers
from heliograph_analyzer.answers.queries import Asked, Key, Known
from heliograph_analyzer.asking import MOST_QUESTIONS, Ask, Done, Failed, next_step, question
from heliograph_analyzer.handling import queries
from heliograph_analyzer.handling.conclusions import announce_failure, completed, failed
from heliograph_analyzer.handling.queries import Claim
from heliograph_analyzer.models.port import (
    Answer,
    CredentialsMissing,
    CredentialsRefused,
    ModelFailed,
    Question,
    QuestionRejected,
    RateLimited,
    VisionModel,
)
from heliograph_analyzer.prices import Price, cost_micros
from heliograph_analyzer.profiles.port import Profile
from heliograph_analyzer.spending import queries as spending
from heliograph_analyzer.spending.budgets import PICTURE_TOKENS, Limits
from heliograph_analyzer.spending.queries import Call, Spent
from heliograph_analyzer.waits import ModelError, Wait
from heliograph_common.blobs.port import Blobs
from heliograph_common.contracts.body import Command
from heliograph_common.contracts.messages import AnalyzeImage
from heliograph_common.db import analyses, provider_states
from heliograph_common.db.analyses import AnalysisRow
from heliograph_common.db.rows import Connection
from heliograph_common.db.statements import ImageRow
from heliograph_common.errors import HeliographError, NotFound, Permanent, Unavailable
from heliograph_common.excerpts import excerpt
from heliograph_common.messaging.job import Job
from heliograph_common.messaging.transaction import Transaction
from heliograph_common.telemetry import metrics

log = structlog.get_logger(__name__)

_SOONEST, _LATEST = timedelta(seconds=1), timedelta(seconds=15)
"""When an analysis comes again while another asks about the same pixels, at least and at most: after as long as that one
asks already, so it comes seldom and waits no more than twice as long as it must."""
_ROLLOUT = timedelta(minutes=10)
"""How long a profile may be unknown: a newer gateway offers it, and newer analyzers are being started."""
_UNTIL_KNOWN = timedelta(seconds=30)
_FIRST_DELAY, _LONGEST_DELAY = 2.0, 300.0
"""Seconds before the second attempt, and at most; each is four times the one before."""
_KEEP_DELAYS = (0.2, 0.5, 1.0, 2.0)
_LONGEST_REASON = 1_000


class RenditionMissingError(Permanent):
    """The object store has lost the rendition: retry the image, then request the analysis again."""


@dataclass(frozen=True)
class Asking:
    """How models are asked: ``hold`` is how long an attempt may take; ``max_attempts`` that fail by themselves end an
    analysis."""

    model: VisionModel
    profiles: Mapping[str, Profile]
    prices: Mapping[str, Price]
    limits: Limits
    hold: timedelta
    max_attempts: int


class _Failing(Exception):
    """A call failed; its cause says why."""

    def __init__(self, error: ModelError) -> None:
        super().__init__(str(error))
        self.error = error


class AnalyzeHandler:
    """Handles ``analyze.image``. ``ended`` is called when an analysis is out of its hands."""

    consumer = "analyzer"
    command = AnalyzeImage

    def __init__(self, blobs: Blobs, asking: Asking, *, ended: Callable[[], None]) -> None:
        self._blobs = blobs
        self._asking = asking
        self._ended = ended

    async def adopt(self, connection: Connection, command: Command) -> bool:
        """Whether the analysis is unfinished."""
        return isinstance(command, AnalyzeImage) and await queries.is_unfinished(connection, command)

    async def claim(self, job: Job, transaction: Transaction) -> Claim | None:
        """Takes the analysis; ``None`` when there is nothing to do (see ``queries.claim``)."""
        if job.fence is None or not isinstance(job.command, AnalyzeImage):
            raise RuntimeError("the attempt has not begun")
        claim = await queries.claim(transaction, job.command, job.fence, self._meanwhile)
        if claim is None:
            self._ended()
        return claim

    async def handle(self, job: Job, claim: Claim) -> None:
        """Analyzes the image. What the model cannot do now goes back to its row, what it cannot do at all is recorded."""
        names = {"image_id": str(claim.image.id), "analysis_id": str(claim.analysis.id)}
        with structlog.contextvars.bound_contextvars(**names):
            profile = self._asking.profiles.get(claim.analysis.profile)
            if profile is None:
                await self._unknown(job, claim)
            else:
                await self._analyze(job, claim, profile)
            self._ended()

    async def give_up(self, job: Job, failure: HeliographError, transaction: Transaction) -> None:
        """Marks the analysis as failed and says so."""
        if isinstance(job.command, AnalyzeImage):
            reason = excerpt(str(failure), _LONGEST_REASON)
            ended = await queries.give_up(transaction.connection, job.command, code="failed", reason=reason)
            if ended is not None:
                announce_failure(transaction, *ended)

    async def _meanwhile(self, connection: Connection, row: AnalysisRow, image: ImageRow) -> timedelta | None:
        profile = self._asking.profiles.get(row.profile)
        if profile is None:
            return None
        asked = await answers.asked_by_another(connection, self._key(image, profile), row.id)
        return None if asked is None else self._after(asked)

    def _after(self, asked: Asked) -> timedelta:
        return min(max(self._asking.hold - asked.left, _SOONEST), _LATEST)

    async def _unknown(self, job: Job, held: Claim) -> None:
        known = ", ".join(self._asking.profiles)
        if held.age < _ROLLOUT:
            await self._put_back(job, held, None, _UNTIL_KNOWN, f"the analyzer has no such profile, only {known}")
        else:
            await failed(job, held, None, "unknown_profile", f"there is no such profile: request one of {known}")

    async def _analyze(self, job: Job, held: Claim, profile: Profile) -> None:
        key = self._key(held.image, profile)
        picture: bytes | None = None
        for _ in range(MOST_QUESTIONS + 1):
            async with job.transaction() as transaction:
                found = await answers.take(
                    transaction.connection,
                    key,
                    held.analysis.id,
                    lease=self._asking.hold,
                    requested_at=held.analysis.requested_at,
                )
            if isinstance(found, Known):
                return await self._known(job, held, profile, key, found)
            if isinstance(found, Asked):
                return await self._put_back(job, held, None, self._after(found), None)
            step = next_step(profile, found.answers)
            match step:
                case Done(result=result):
                    return await completed(job, held, profile, key, result)
                case Failed(code=code, reason=reason):
                    return await failed(job, held, key, code, reason)
            picture = picture or await self._picture(held)
            if not await self._ask(job, held, key, profile, step, picture):
                return None
        raise RuntimeError("answers were given and not kept")  # never go on to pay for what is lost

    async def _known(self, job: Job, held: Claim, profile: Profile, key: Key, known: Known) -> None:
        if known.result is not None:
            await completed(job, held, profile, key, known.result)
        else:
            await failed(job, held, key, known.code or "failed", known.reason or "the model gave no answer")

    async def _ask(self, job: Job, held: Claim, key: Key, profile: Profile, step: Ask, picture: bytes) -> bool:
        """Asks once; ``False``: the analysis has ended or waits."""
        async with job.transaction() as transaction:
            state = await provider_states.state_of(transaction.connection, analyses.BUDGET)
        if state.paused:
            await self._put_back(job, held, key, state.paused_until or timedelta(), state.reason)
            return False
        if state.failing and (wait := await waits.still_away(self._asking.model)) is not None:
            await self._wait(job, held, key, wait)
            return False
        async with job.transaction() as transaction:
            call = await spending.begin(
                transaction.connection,
                held.analysis,
                model=key.model,
                pixel_hash=key.pixel_hash,
                tokens=PICTURE_TOKENS + profile.max_output_tokens,
                limits=self._asking.limits,
            )
        if isinstance(call, Spent):
            await self._wait(job, held, key, waits.until_reset(call))
            return False
        try:
            await self._call(job, key, call, question(profile, step, picture=picture, mime_type="image/jpeg"))
        except _Failing as failing:
            await self._failed(job, held, key, failing.error)
            return False
        return True

    async def _call(self, job: Job, key: Key, call: Call, asked: Question) -> None:
        started = time.monotonic()
        try:
            answer = await self._asking.model.ask(asked)
        except (CredentialsMissing, CredentialsRefused, RateLimited, ModelFailed, QuestionRejected) as error:
            paid = isinstance(error, ModelFailed) and error.paid

            async def forgive(connection: Connection) -> None:
                await spending.failed(connection, call, paid=paid)

            await self._keep(job, forgive)
            metrics.analysis_calls.labels(call.profile, call.model, "unknown" if paid else "failed").inc()
            raise _Failing(error) from error
        metrics.observe(metrics.analysis_call_seconds.labels(model=call.model), time.monotonic() - started)
        await self._keep_answer(job, key, call, answer)

    async def _keep_answer(self, job: Job, key: Key, call: Call, answer: Answer) -> None:
        cost = cost_micros(
            answer.model if answer.model in self._asking.prices else key.model,
            self._asking.prices,
            input_tokens=answer.usage.input_tokens,
            output_tokens=answer.usage.output_tokens,
            cached_tokens=answer.usage.cached_tokens,
        )

        async def keep(connection: Connection) -> None:
            if await spending.answered(connection, call, answer.usage, cost):
                await answers.add_answer(connection, key, answer)
            await provider_states.resume(connection, analyses.BUDGET)

        await self._keep(job, keep)
        metrics.analysis_calls.labels(call.profile, call.model, "answered").inc()
        metrics.analysis_tokens.labels(call.profile, call.model, "input").inc(answer.usage.input_tokens)
        metrics.analysis_tokens.labels(call.profile, call.model, "output").inc(answer.usage.output_tokens)
        metrics.analysis_cost.labels(call.profile, call.model).inc((cost or 0) / 1_000_000)

    async def _keep(self, job: Job, write: Callable[[Connection], object]) -> None:
        """Writes what a call came to. It is in memory only and paid for: PostgreSQL is waited for as long as the attempt
        may take, and the question is not asked again for an outage. ``write`` may have been committed although PostgreSQL
        went away before it said so: the second time, it must change nothing."""
        attempt = 0
        while True:
            try:
                async with job.transaction() as transaction:
                    await write(transaction.connection)  # type: ignore[misc]
            except Unavailable as error:
                delay = _KEEP_DELAYS[min(attempt, len(_KEEP_DELAYS) - 1)]
                attempt += 1
                log.warning("answer not written yet, retrying", error=str(error))
                await asyncio.sleep(delay)
            else:
                return

    async def _failed(self, job: Job, held: Claim, key: Key, error: ModelError) -> None:
        """A call failed: the analysis waits for the model, is tried again, or fails."""
        wait = await waits.wait_for(error, self._asking.model)
        reason = excerpt(str(error), _LONGEST_REASON)
        if wait is not None:
            await self._wait(job, held, key, wait)
        elif isinstance(error, QuestionRejected):
            await failed(job, held, key, "rejected", reason)
        elif held.analysis.attempts + 1 >= self._asking.max_attempts:
            await failed(job, held, key, "model_failed", reason)
        else:
            delay = min(_LONGEST_DELAY, _FIRST_DELAY * 4**held.analysis.attempts)
            delay *= random.uniform(0.75, 1.25)  # noqa: S311 - jitter
            log.warning("analysis failed, retrying", attempts=held.analysis.attempts + 1, delay=delay, error=reason)
            await self._put_back(job, held, key, timedelta(seconds=delay), reason, counts=True)

    async def _wait(self, job: Job, held: Claim, key: Key, wait: Wait) -> None:
        metrics.analysis_waits.labels(reason=wait.kind).inc()
        delay = timedelta(seconds=wait.seconds or 0)
        if wait.budget is not None:
            async with job.transaction() as transaction:
                delay = await provider_states.pause(
                    transaction.connection, wait.budget, reason=wait.reason, seconds=wait.seconds
                )
        log.warning("analysis waits", kind=wait.kind, seconds=round(delay.total_seconds(), 1), reason=wait.reason)
        await self._put_back(job, held, key, delay, wait.reason)

    async def _put_back(
        self,
        job: Job,
        held: Claim,
        key: Key | None,
        after: timedelta | datetime,
        reason: str | None,
        *,
        counts: bool = False,
    ) -> None:
        async with job.conclude() as transaction:
            await queries.requeue(transaction.connection, held, after, reason=reason, counts=counts)
            if key is not None:
                await answers.let_go(transaction.connection, key, held.analysis.id)

    def _key(self, image: ImageRow, profile: Profile) -> Key:
        model = self._asking.model
        pixels = image.pixel_hash or f"sha256:{image.sha256}"
        return Key(pixels, profile.name, profile.version, model.name, model.detail)

    async def _picture(self, held: Claim) -> bytes:
        try:
            return await self._blobs.get(held.picture)
        except NotFound as error:
            raise RenditionMissingError(
                "the object store has lost the rendition: retry the image, then request the analysis again"
            ) from error

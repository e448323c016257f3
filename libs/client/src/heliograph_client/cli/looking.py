"""One image of ``heliograph analyze``, from its bytes to what a model tells about it, and its line in the report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from heliograph_client.analysis_models import Analysis
from heliograph_client.cli.answers import reason_of, waits
from heliograph_client.cli.bars import Bar, Bars
from heliograph_client.cli.candidates import Candidate
from heliograph_client.client import AsyncClient
from heliograph_client.errors import HeliographError, ProblemError, Unauthorised, Unavailable, Unreachable, WaitTimeout

_FAILURES = frozenset({"failed", "refused", "skipped", "timeout", "unavailable", "not_sent", "unknown"})
_PROGRESS = {"queued": 25, "running": 60, "completed": 100, "failed": 100}


@dataclass(frozen=True)
class Subject:
    """A file or an image; ``label`` is what the user called it."""

    label: str
    file: Candidate | None = None
    image_id: UUID | None = None

    @property
    def refusal(self) -> str | None:
        """Why it is not sent at all."""
        return self.file.refusal if self.file else None

    @property
    def named(self) -> bool:
        """The user named this very one."""
        return self.file is None or self.file.named


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What became of it. ``status`` is the analysis' own, or ``refused`` (by the server), ``skipped`` (by us), ``timeout``,
    ``unavailable``, ``not_sent`` or ``unknown`` (asked for, then interrupted)."""

    status: str
    analysis: Analysis | None = None
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether there is no answer, and none will come."""
        return self.status in _FAILURES

    def as_json(self, subject: Subject) -> dict[str, Any]:
        """The line of ``--json``: the analysis, if there is one, with the file."""
        found = self.analysis
        whole = found.model_dump(mode="json", exclude={"error", "status"}) if found else {"id": None, "result": None}
        return {
            "file": subject.label,
            **whole,
            "status": self.status,
            "error": {"reason": self.reason, **self.details} if self.reason else None,
            "seconds": round(self.seconds, 3),
        }

    def line(self, subject: Subject) -> str:
        """The line for people of what has no answer."""
        mark = "\N{BALLOT X}" if self.failed else "\N{HORIZONTAL ELLIPSIS}"
        told = f"{mark} {subject.label}: {self.status.replace('_', ' ')}"
        if self.reason:
            return f"{told}: {self.reason}"
        assert self.analysis is not None  # noqa: S101 - without an analysis there is a reason
        waiting = waits(self.analysis)
        told = f"{told}, {waiting}" if waiting else told
        return f"{told}; show with: heliograph analyses get {self.analysis.id}"


class Looker:
    """Has images analyzed with ``profile``; waits for each up to ``wait_seconds`` where that is not ``None``. ``warn`` is
    told what analyses wait for, each reason once."""

    def __init__(
        self,
        client: AsyncClient,
        bars: Bars,
        warn: Callable[[str], None],
        profile: str,
        *,
        wait_seconds: float | None,
        refresh: bool = False,
    ) -> None:
        self._client = client
        self._bars = bars
        self._warn = warn
        self._profile = profile
        self._wait_seconds = wait_seconds
        self._refresh = refresh
        self._begun: dict[Subject, Analysis] = {}
        self._told: set[str] = set()

    async def look(self, subject: Subject) -> Looked:
        """Has one analyzed and, if requested, waits for it.

        Raises:
            Unauthorised: nothing will go through.
            Unreachable: the same.
        """
        began = time.monotonic()
        with self._bars.bar(subject.label) as bar:
            try:
                found = await self._ask(subject, bar)
                if self._wait_seconds is not None and not found.finished:
                    found = await self._client.wait_for_analysis(
                        found.id, self._wait_seconds, on_look=lambda each: self._tell(each, bar)
                    )
            except (Unauthorised, Unreachable):
                raise
            except (HeliographError, OSError) as error:
                return self._without_answer(subject, error, time.monotonic() - began)
        reason = reason_of(found)
        details = {"code": found.error.code} if found.error else {}
        return Looked(
            status=found.status, analysis=found, reason=reason, details=details, seconds=time.monotonic() - began
        )

    def unfinished(self, subject: Subject, cause: BaseException) -> Looked:
        """What is known of one when all ends early because of ``cause``."""
        found = self._begun.get(subject)
        reason = str(cause) if isinstance(cause, HeliographError) else "interrupted"
        if found is not None:
            reason = f"{reason}; look again with: heliograph analyses get {found.id}"
        return Looked(status="unknown" if found else "not_sent", analysis=found, reason=reason)

    async def _ask(self, subject: Subject, bar: Bar) -> Analysis:
        if subject.file is None:
            found = await self._client.analyze(subject.image_id, profile=self._profile, refresh=self._refresh)
        else:
            path = subject.file.path
            found = await self._client.analyze(
                file=path, profile=self._profile, refresh=self._refresh, on_progress=bar.sent
            )
        self._begun[subject] = found
        return found

    def _tell(self, found: Analysis, bar: Bar) -> None:
        waiting = waits(found)
        bar.at(_PROGRESS[found.status], waiting or found.status)
        if waiting and waiting not in self._told:
            self._told.add(waiting)
            self._warn(waiting)

    def _without_answer(self, subject: Subject, error: Exception, seconds: float) -> Looked:
        found = self._begun.get(subject)
        if isinstance(error, OSError):
            return Looked(status="skipped", reason=f"cannot be read: {error.strerror or error}", seconds=seconds)
        if isinstance(error, WaitTimeout):
            return Looked(status="timeout", analysis=found, reason=str(error), seconds=seconds)
        details = error.problem.model_dump(mode="json") if isinstance(error, ProblemError) else {}
        status = "unknown" if found else "unavailable" if isinstance(error, Unavailable) else "refused"
        return Looked(status=status, analysis=found, reason=str(error), details=details, seconds=seconds)

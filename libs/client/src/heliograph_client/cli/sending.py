"""One file of an upload, from its bytes to its renditions, and its line in the report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heliograph_client.cli.bars import Bars
from heliograph_client.cli.candidates import Candidate
from heliograph_client.client import AsyncClient
from heliograph_client.errors import HeliographError, ProblemError, Unauthorised, Unavailable, Unreachable, WaitTimeout
from heliograph_client.models import Image, Priority

_FAILURES = frozenset({"failed", "refused", "skipped", "timeout", "unavailable", "not_sent", "unknown"})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a file. ``status`` is the image's own, or ``refused`` (by the server), ``skipped`` (by us),
    ``timeout``, ``unavailable``, ``not_sent`` or ``unknown`` (sent, then interrupted). ``sent`` is in bytes."""

    status: str
    image: Image | None = None
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    sent: int = 0

    @property
    def failed(self) -> bool:
        """Whether the file was not uploaded, or not rendered."""
        return self.status in _FAILURES

    @property
    def already_there(self) -> bool:
        """The same bytes had been uploaded before."""
        return self.image is not None and self.image.created is False and not self.failed

    def as_json(self, path: Path) -> dict[str, Any]:
        """The line of ``--json``."""
        return {
            "file": str(path),
            "id": self.image and self.image.id,
            "status": self.status,
            "created": bool(self.image and self.image.created),
            "renditions": self.image.renditions if self.image else [],
            "error": {"reason": self.reason, **self.details} if self.reason else None,
            "seconds": round(self.seconds, 3),
        }

    def line(self, path: Path) -> str:
        """The line for people."""
        mark = "\N{BALLOT X}" if self.failed else "\N{CHECK MARK}"
        if self.reason:
            return f"{mark} {path}: {self.status.replace('_', ' ')}: {self.reason}"
        assert self.image is not None  # noqa: S101 - without an image there is a reason
        there = ", already uploaded" if self.already_there else ""
        count = f", {len(self.image.renditions)} renditions" if self.image.renditions else ""
        return f"{mark} {path}: {self.status}{there}{count}, {self.seconds:.1f} s  {self.image.id}"


class Sender:
    """Sends files with ``upload``, a method of ``client``; waits for each up to ``wait_seconds`` where that is not
    ``None``."""

    def __init__(
        self,
        client: AsyncClient,
        upload: Callable[..., Awaitable[Image]],
        bars: Bars,
        *,
        priority: Priority,
        analyze: str | None,
        wait_seconds: float | None,
    ) -> None:
        self._client = client
        self._upload = upload
        self._bars = bars
        self._options: dict[str, Any] = {"priority": priority, "analyze": analyze}
        self._wait_seconds = wait_seconds
        self._uploaded: dict[Candidate, Image] = {}

    async def send(self, candidate: Candidate, uploading: asyncio.Semaphore) -> Outcome:
        """Sends one file and, if requested, waits for it.

        Raises:
            Unauthorised: no file will go through.
            Unreachable: the same.
        """
        async with uploading:
            began = time.monotonic()
            with self._bars.bar(str(candidate.path)) as bar:
                try:
                    image = await self._upload(candidate.path, **self._options, on_progress=bar.sent)
                except (Unauthorised, Unreachable):
                    raise
                except (HeliographError, OSError) as error:
                    return _refused(error, time.monotonic() - began)
                self._uploaded[candidate] = image
        if self._wait_seconds is not None and not image.finished:
            with self._bars.bar(str(candidate.path)) as bar:
                try:
                    finished = await self._client.wait(image.id, self._wait_seconds, on_stage=bar.stage)
                except WaitTimeout as error:
                    return _outcome(image, began, status="timeout", reason=str(error))
                except ProblemError as error:
                    if isinstance(error, Unauthorised):
                        raise
                    return _outcome(image, began, status="unknown", reason=str(error))
            image = finished.model_copy(update={"created": image.created})
        return _outcome(image, began)

    def unfinished(self, candidate: Candidate, cause: BaseException) -> Outcome:
        """What is known of a file when all ends early because of ``cause``."""
        reason = (
            str(cause)
            if isinstance(cause, HeliographError)
            else "interrupted; upload the file again, duplicates are detected"
        )
        image = self._uploaded.get(candidate)
        return Outcome(status="unknown" if image else "not_sent", image=image, reason=reason)


def _outcome(image: Image, began: float, status: str | None = None, reason: str | None = None) -> Outcome:
    error = image.error if image.status == "failed" else None
    return Outcome(
        status=status or image.status,
        image=image,
        reason=reason or (error.reason if error else "unknown reason" if image.status == "failed" else None),
        details=error.model_dump(mode="json", exclude={"reason"}) if error else {},
        seconds=time.monotonic() - began,
        sent=image.bytes,
    )


def _refused(error: Exception, seconds: float) -> Outcome:
    if isinstance(error, OSError):
        return Outcome(status="skipped", reason=f"cannot be read: {error.strerror or error}", seconds=seconds)
    details = error.problem.model_dump(mode="json") if isinstance(error, ProblemError) else {}
    status = "unavailable" if isinstance(error, Unavailable) else "refused"
    return Outcome(status=status, reason=str(error), details=details, seconds=seconds)

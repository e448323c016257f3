"""The methods of the client for analyses: what a vision model tells about images, and what that used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from urllib.parse import quote
from uuid import UUID

from heliograph_client.analysis_models import Analysis, AnalysisList, UsageReport
from heliograph_client.body import Body, Progress, Source
from heliograph_client.errors import WaitTimeout
from heliograph_client.form import Form
from heliograph_client.pages import image_path
from heliograph_client.transport import Transport, parse

ANALYSES = "/v1/analyses"
DEFAULT_PROFILE = "describe"
OnLook = Callable[[Analysis], None]
"""Called with the analysis each time it was looked at."""

_FIRST_LOOK, _LONGEST = 0.2, 2.0


class Analyzing:
    """A part of ``AsyncClient``, which has the transport."""

    _transport: Transport

    async def analyze(
        self,
        image_id: UUID | str | None = None,
        *,
        file: Source | None = None,
        profile: str = DEFAULT_PROFILE,
        name: str | None = None,
        wait: float = 0,
        refresh: bool = False,
        on_progress: Progress | None = None,
    ) -> Analysis:
        """Has an image, or a ``file`` that is uploaded with it, analyzed. The analysis is under way then, or was there:
        ``wait_for_analysis`` follows it. With ``wait`` the server answers when it has ended, or after so many seconds (60
        at most), and refuses where no model is available. ``refresh``: a completed one is queued again, because the profile
        or the model has changed.

        Raises:
            AnalysisUnavailable: it is waited for, and no model is available. Nothing was stored.
            Rejected: the profile is unknown, or the server does not take the file.
            NotFound: there is no image of that id.
            Conflict: the image could not be rendered.
            OSError: the file cannot be read.
            ValueError: there is neither image nor file, or both.
        """
        if (image_id is None) == (file is None):
            raise ValueError("give either image_id or file")
        asked: dict[str, Any] = {"wait": wait}
        if file is None:
            asked["json"] = {"image_id": str(image_id), "profile": profile} | ({"refresh": True} if refresh else {})
        else:
            params = {"profile": profile} | ({"refresh": "true"} if refresh else {})
            asked |= {"params": params, "body": Form(Body(file, on_progress), name)}
        return parse(Analysis, await self._transport.request("POST", ANALYSES, **asked))

    async def analysis(self, analysis_id: UUID | str) -> Analysis:
        """One analysis.

        Raises:
            NotFound: there is none of that id.
        """
        return parse(Analysis, await self._transport.request("GET", analysis_path(analysis_id)))

    async def analyses(self, image_id: UUID | str) -> Sequence[Analysis]:
        """All analyses of an image, one for each profile, the newest last.

        Raises:
            NotFound: there is no image of that id.
        """
        path = f"{image_path(image_id)}/analyses"
        return parse(AnalysisList, await self._transport.request("GET", path)).analyses

    async def wait_for_analysis(
        self,
        analysis_id: UUID | str,
        timeout: float | None = 300.0,  # noqa: ASYNC109 - the analysis goes on, so the wait ends in words of its own
        *,
        on_look: OnLook | None = None,
    ) -> Analysis:
        """The analysis once it has ended (see its ``status``). Where it waits itself, such as for credentials, ``on_look``
        is told so.

        Raises:
            WaitTimeout: it has not ended within ``timeout`` seconds.
            NotFound: there is none of that id, or its image was deleted.
        """
        until = None if timeout is None else time.monotonic() + timeout
        interval = _FIRST_LOOK
        while True:
            found = await self.analysis(analysis_id)
            if on_look:
                on_look(found)
            if found.finished:
                return found
            left = interval if until is None else until - time.monotonic()
            if left <= 0:
                raise WaitTimeout(_too_late(found, timeout))
            await asyncio.sleep(min(interval, left))
            interval = min(interval * 1.5, _LONGEST)

    async def analysis_usage(
        self, first: date | None = None, last: date | None = None, *, owner: str | None = None
    ) -> UsageReport:
        """Calls, tokens and cost from the day ``first`` to the day ``last`` (UTC, the last 30 days where not given), by day,
        profile and model. ``owner``: of another one, or ``*`` for all together; for administrators.

        Raises:
            Unauthorised: only administrators may ask about others.
            Rejected: the days are in the wrong order, or more than a year.
        """
        params = {"from": first and first.isoformat(), "to": last and last.isoformat(), "owner": owner}
        path = f"{ANALYSES}/usage"
        return parse(UsageReport, await self._transport.request("GET", path, params=params, admin=owner is not None))


def analysis_path(analysis_id: UUID | str) -> str:
    """Where an analysis is."""
    return f"{ANALYSES}/{quote(str(analysis_id), safe='')}"


def _too_late(found: Analysis, seconds: float | None) -> str:
    waits = f" ({found.waiting.reason})" if found.waiting else ""
    return (
        f"analysis {found.id} has not ended after {seconds:g} s{waits}; it goes on: wait longer, or look again with "
        f"`heliograph analyses get {found.id}`"
    )

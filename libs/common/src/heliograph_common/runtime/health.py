"""Is this process ready? Components register checks; the management server and the gateway's health routes ask.

A critical check that fails makes the process not ready; another one makes it ``degraded``, which still takes traffic
(the gateway without NATS). Liveness is not here: it asks only whether the event loop answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from heliograph_common.telemetry.redaction import redact_text

CACHE_SECONDS = 1.0

Check = Callable[[], Awaitable[object]]
"""Raises when its thing cannot be used; what it returns is ignored."""
Phase = Literal["starting", "serving", "draining"]


@dataclass(frozen=True)
class CheckResult:
    """Result of one health check."""

    status: Annotated[Literal["ok", "failed"], Field(description="Whether the check passed.")]
    detail: Annotated[str, Field(description="Why the check failed. Empty if it passed.")] = ""


@dataclass(frozen=True)
class Report:
    """State of the process and of the servers that it depends on."""

    status: Annotated[
        Literal["starting", "draining", "ready", "degraded", "unavailable"],
        Field(
            description="`ready` if all checks passed, `degraded` if only checks of optional servers failed, "
            "`unavailable` if a "
            "required one failed; `starting` and `draining` while the process starts and stops."
        ),
    ]
    checks: Annotated[dict[str, CheckResult], Field(description="Results of the checks by name.")]

    @property
    def ready(self) -> bool:
        """Whether requests should be sent here."""
        return self.status in {"ready", "degraded"}


@dataclass(frozen=True)
class _Registered:
    check: Check
    critical: bool
    timeout: float


class Health:
    """The checks of one process. ``phase`` is moved on by ``lifecycle.serve``; ``grace_until`` is on the clock of
    ``time.monotonic``."""

    def __init__(self, *, cache_seconds: float = CACHE_SECONDS, grace_until: float = float("-inf")) -> None:
        self.phase: Phase = "starting"
        self.grace_until = grace_until
        self._checks: dict[str, _Registered] = {}
        self._cache_seconds = cache_seconds
        self._results: dict[str, CheckResult] = {}
        self._checked_at = float("-inf")
        self._lock = asyncio.Lock()

    def register(self, name: str, check: Check, *, critical: bool = True, timeout: float = 2.0) -> None:
        """Adds a check that may take ``timeout`` seconds."""
        self._checks[name] = _Registered(check, critical, timeout)

    @property
    def in_grace(self) -> bool:
        """Whether the process has started a moment ago, so that what it needs may not be there yet."""
        return time.monotonic() < self.grace_until and self.phase != "draining"

    async def report(self) -> Report:
        """Runs all checks at once, or returns what they said within the last second; a failure is kept a tenth of that,
        because a process that has just started is asked a moment too early, and ready the next."""
        async with self._lock:
            failed = any(result.status == "failed" for result in self._results.values())
            if time.monotonic() - self._checked_at >= self._cache_seconds / (10 if failed else 1):
                results = await asyncio.gather(*(_run(registered) for registered in self._checks.values()))
                self._results = dict(zip(self._checks, results, strict=True))
                self._checked_at = time.monotonic()
            results_by_name = self._results
        return Report(self._status(results_by_name), results_by_name)

    def _status(
        self, results: dict[str, CheckResult]
    ) -> Literal["starting", "draining", "ready", "degraded", "unavailable"]:
        if self.phase != "serving":
            return self.phase
        failed = [name for name, result in results.items() if result.status == "failed"]
        if any(self._checks[name].critical for name in failed):
            return "unavailable"
        return "degraded" if failed else "ready"


async def _run(registered: _Registered) -> CheckResult:
    try:
        async with asyncio.timeout(registered.timeout):
            await registered.check()
    except TimeoutError:
        return CheckResult("failed", f"no answer within {registered.timeout:g} s")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return CheckResult("failed", redact_text(str(error) or type(error).__name__))
    return CheckResult("ok")

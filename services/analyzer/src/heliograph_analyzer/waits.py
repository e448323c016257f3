"""When an analysis has to wait, what for and how long: credentials, a rate limit, an outage, a budget.

None of these is an attempt of its own: it goes back to its row. An error that the provider's own answer does not confirm as
an outage (``VisionModel.probe``) is a failure of that analysis.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from heliograph_analyzer.models.port import (
    CredentialsMissing,
    CredentialsRefused,
    ModelFailed,
    QuestionRejected,
    RateLimited,
    VisionModel,
)
from heliograph_analyzer.spending.budgets import INSTALLATION
from heliograph_analyzer.spending.queries import Spent
from heliograph_common.db.analyses import BUDGET
from heliograph_common.excerpts import excerpt

ModelError = CredentialsMissing | CredentialsRefused | RateLimited | ModelFailed | QuestionRejected

_PROBE_SECONDS = 15.0
_LONGEST_LIMIT = 3_600.0
_NO_CREDIT = 300.0
_NO_CREDENTIALS = 5.0
_LONGEST_REASON = 500


@dataclass(frozen=True)
class Wait:
    """Why analyses wait, in ``kind`` for metrics. ``seconds``: ``None`` for an outage, of which nobody knows. ``budget``:
    whose analyses wait too, by its name in ``provider_states``; ``None``: only this one, here."""

    kind: Literal["credentials", "rate_limit", "outage", "budget"]
    reason: str
    seconds: float | None
    budget: str | None


async def wait_for(error: ModelError, model: VisionModel) -> Wait | None:
    """The wait that ``error`` asks for; ``None``: it is the analysis' own failure."""
    known = _known(error)
    if known is not None or isinstance(error, QuestionRejected):
        return known
    return await _probed(model, error)


async def still_away(model: VisionModel) -> Wait | None:
    """The wait that goes on after the last calls failed; ``None``: a question may be asked. A question that nobody answers
    may be charged all the same, a probe is not."""
    return await _probed(model, None)


async def _probed(model: VisionModel, failed: ModelError | None) -> Wait | None:
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            await model.probe()
    except (CredentialsMissing, CredentialsRefused, RateLimited, QuestionRejected) as refused:
        return _known(refused)
    except (ModelFailed, TimeoutError) as error:
        return Wait("outage", f"the model cannot be reached: {_text(failed or error)}", None, BUDGET)
    return None


def until_reset(spent: Spent) -> Wait:
    """The wait for the budgets of the next day."""
    if spent.scope == INSTALLATION:
        reason, budget = "the installation's daily token budget is spent", BUDGET
    else:
        reason, budget = "the owner's daily token budget is spent", f"{BUDGET}:{spent.scope}"
    return Wait("budget", reason, spent.resets.total_seconds(), budget)


def _known(error: ModelError) -> Wait | None:
    """What needs no second look at the provider."""
    match error:
        case CredentialsMissing():
            return Wait("credentials", "missing credentials", _NO_CREDENTIALS, None)
        case CredentialsRefused():
            return Wait("credentials", _text(error), _NO_CREDENTIALS, None)
        case RateLimited(spent=True):
            return Wait("rate_limit", _text(error), _NO_CREDIT, BUDGET)
        case RateLimited(delay=delay):
            seconds = None if delay is None else min(max(delay, 0.0), _LONGEST_LIMIT)
            return Wait("rate_limit", _text(error), seconds, BUDGET)
        case QuestionRejected() if error.misconfigured:
            return Wait("outage", _text(error), None, BUDGET)
    return None


def _text(error: Exception) -> str:
    return excerpt(str(error), _LONGEST_REASON)

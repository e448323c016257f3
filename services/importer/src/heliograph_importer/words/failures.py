"""What a failed request means for its provider, which is paused, and for its word, which is tried again later or no more.

In an outage one word after another is tried, none of which is to blame. A word is given up that failed while others did
not; and one that nobody could be compared with, once it has been tried for long.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from heliograph_common.db import provider_states
from heliograph_common.db.rows import Connection
from heliograph_common.db.words import budget
from heliograph_common.messaging.transaction import Transaction
from heliograph_importer.cleaning import reason_of
from heliograph_importer.words import outcomes, queries
from heliograph_importer.words.claims import Claim, Rules
from heliograph_importer.words.providers.port import (
    REFUSED_KEY,
    KeyMissing,
    KeyRefused,
    ProviderFailed,
    RateLimited,
)

log = structlog.get_logger(__name__)

MOST_FAILURES = 5
"""Failed attempts at one step, while its provider was well, after which the word has no picture for now."""
MOST_TRIALS = 10
TRIED_FOR = timedelta(days=1)
"""For how long, and how often at least, a step is tried whose provider is well for no other word either."""
PATIENCE = timedelta(seconds=5)
"""How much longer than its provider's pause a word waits that failed: others find out first whether it is well."""
_ANSWERED_WITHIN = timedelta(minutes=5)
"""How long before its answer a request was made: what was of its hour may not be of the answer's."""

Failure = KeyMissing | KeyRefused | RateLimited | ProviderFailed


async def pause(connection: Connection, claim: Claim, error: Failure) -> timedelta:
    """Pauses the provider, and takes back the charge of what was not requested; returns how long the word waits. To be
    called also where the word is gone: what the provider said holds for all of them."""
    name = str(claim.provider.budget)
    reason = reason_of(error) if isinstance(error, RateLimited | ProviderFailed) else claim.provider.waits_for()
    paused = await provider_states.pause(connection, name, reason=reason or REFUSED_KEY, seconds=error.delay)
    log.warning("photo provider paused", seconds=round(paused.total_seconds(), 1), reason=reason)
    if _was_not_asked(error):
        await queries.refund(connection, name, claim.key)
        return timedelta()
    return paused + PATIENCE


async def note(transaction: Transaction, rules: Rules, claim: Claim, error: Failure, wait: timedelta) -> None:
    """Puts the word, which is locked, back for ``wait``, or gives it up."""
    counts = isinstance(error, ProviderFailed) and claim.well
    if await _is_over(transaction.connection, rules, claim, error):
        await outcomes.failed(transaction, rules, claim.taken, reason_of(error))
    else:
        await queries.fail(transaction.connection, claim.key, counts=counts, wait=wait, now=rules.clock())


async def rest(connection: Connection, rules: Rules, claim: Claim, seconds: float) -> None:
    """Pauses a provider that has answered and said that it would not answer again for ``seconds``, because others use the
    key, too. Where our own requests explain it, the hour's budget tells better when there are some again."""
    name = str(claim.provider.budget)
    now = (await budget.spending(connection, name, rules.quota, now=rules.clock())).now
    if (await budget.spending(connection, name, rules.quota, now=now - _ANSWERED_WITHIN)).used >= rules.quota:
        return
    reason = f"{claim.provider.name} has no requests left for the access key in this hour"
    await provider_states.pause(connection, name, reason=reason, seconds=seconds)
    log.info("photo provider has no requests left", provider=claim.provider.name, seconds=seconds)


def outcome(error: Failure) -> str:
    """Its name in the metrics."""
    match error:
        case RateLimited():
            return "rate_limited"
        case ProviderFailed():
            return "failed"
    return "refused"


async def _is_over(connection: Connection, rules: Rules, claim: Claim, error: Failure) -> bool:
    if not isinstance(error, ProviderFailed):
        return False
    if claim.well:
        return bool(claim.taken.queued.failures + 1 >= MOST_FAILURES)
    name = str(claim.provider.budget)
    tried = await queries.trials(connection, name, claim.taken.queued, longer=TRIED_FOR, now=rules.clock())
    return tried >= MOST_TRIALS


def _was_not_asked(error: Failure) -> bool:
    return isinstance(error, KeyMissing) or (isinstance(error, KeyRefused) and not error.asked)

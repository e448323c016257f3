"""Puts aside what cannot be done, whatever is wrong with it: as a dead letter, with the failure recorded where it can be.

Burying is total. What the handler cannot record is recorded without its own words, and what it cannot record even then is
put aside without it, because a message that nobody can bury comes back for ever.
"""

from __future__ import annotations

from typing import Any

import structlog

from heliograph_common.clock import utc_now
from heliograph_common.contracts.messages import DeadLetter
from heliograph_common.errors import HeliographError, Permanent, RejectedImage, Stale, Unavailable
from heliograph_common.excerpts import excerpt
from heliograph_common.messaging.job import Job
from heliograph_common.messaging.ports import Delivery, Handler
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.telemetry.redaction import redact_text

log = structlog.get_logger(__name__)

_LONGEST_REASON = 2_000
_LONGEST_PAYLOAD = 128 * 1024
"""Characters of a payload that a letter keeps: escaped as JSON in its own envelope it must still fit into a message."""


async def bury(
    messenger: Messenger,
    service: str,
    delivery: Delivery,
    job: Job | None,
    error: HeliographError,
    handler: Handler[Any],
) -> bool:
    """Records the failure and its dead letter; ``False`` when the message was handled before. ``job`` is ``None`` for what
    is no message at all.

    Raises:
        Stale: a newer attempt owns the work.
        Unavailable: PostgreSQL is away; the message is not buried.
    """
    plain = Permanent("the message could not be processed; see its dead letter for the reason")
    told: tuple[HeliographError | None, ...] = (error, error if isinstance(error, RejectedImage) else plain, None)
    for failure in told:
        try:
            return await _bury(messenger, _letter(service, delivery, error), job, failure, handler)
        except (Stale, Unavailable):
            raise
        except Exception:
            if failure is None:
                raise
            log.exception("failure not recorded", subject=delivery.subject)
    raise AssertionError("unreachable")


async def _bury(
    messenger: Messenger, letter: DeadLetter, job: Job | None, failure: HeliographError | None, handler: Handler[Any]
) -> bool:
    async with messenger.transaction() as transaction:
        if job is not None:
            if not await job.bury(transaction):
                return False
            if failure is not None and job.fence is not None:
                await handler.give_up(job, failure, transaction)
        transaction.dead_letter(letter, owner=job.envelope.owner if job else "")
    return True


def _letter(service: str, delivery: Delivery, error: HeliographError) -> DeadLetter:
    payload = delivery.payload.decode("utf-8", "replace")
    cause = error.__cause__
    told = str(error) if cause is None or isinstance(cause, HeliographError) else f"{error} ({cause!r})"
    note = ""
    if len(payload) > _LONGEST_PAYLOAD:
        note = f" (of its {len(delivery.payload):,} bytes only the first are kept)"
    # Vendors quote in their errors what they were given. Secrets go before the end does: half of one is not recognized.
    reason = excerpt(redact_text(told[: 8 * _LONGEST_REASON]), _LONGEST_REASON - len(note)) + note
    return DeadLetter(
        service=service,
        subject=delivery.subject,
        headers=dict(delivery.headers),
        payload=payload[:_LONGEST_PAYLOAD],
        reason=reason,
        error=type(error).__name__,
        deliveries=delivery.deliveries,
        died_at=utc_now(),
    )

"""Counts of the queue, and what a word in it waits for, as the JSON that clients see. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from heliograph_common.clock import rfc3339
from heliograph_common.db.words.queue import Lane
from heliograph_gateway.words.queue.schemas import WaitingFor
from heliograph_gateway.words.queue.service import Budget, Stats, Waiting
from heliograph_gateway.words.representation import path_of

_NAMES = {
    Lane.UNDER_WAY: "under_way",
    Lane.ASKED: "requested",
    Lane.TOP: "top",
    Lane.VOCABULARY: "vocabulary",
    Lane.RECENT: "recent",
    Lane.REST: "rest",
}


def lanes(lengths: Mapping[Lane, int]) -> dict[str, int]:
    """How many words wait."""
    return {name: lengths[lane] for lane, name in _NAMES.items()} | {"total": sum(lengths.values())}


def budget(found: Budget) -> dict[str, Any]:
    """What the provider still allows."""
    state = found.state
    return {
        "limit": found.spending.quota,
        "used": found.spending.used,
        "next_at": rfc3339(found.next_at),
        "paused_until": _time(state.paused_until) if state.paused else None,
        "reason": state.reason if state.paused else None,
    }


def stats(found: Stats) -> dict[str, Any]:
    """All numbers."""
    counts = found.counts
    return {
        "words": counts.words,
        "with_picture": counts.with_picture,
        "missed": counts.missed,
        "queue": lanes(found.lengths),
        "budget": budget(found.budget),
        "populated_at": _time(counts.populated_at),
        "next_population_at": _time(found.next_population_at),
    }


def synced(added: int, found: Stats) -> dict[str, Any]:
    """What was added."""
    return {"added": added, "queue": lanes(found.lengths), "budget": budget(found.budget)}


def waiting(word_id: str, found: Waiting) -> dict[str, Any]:
    """A word in the queue."""
    code, reason = why(found)
    path = path_of(word_id)
    return {
        "word_id": word_id,
        "status": "queued",
        "place": found.place.place,
        "due_at": rfc3339(found.budget.due_at(found.place)),
        "waiting_for": code,
        "reason": reason,
        "links": {"self": f"{path}/image", "word": path},
    }


def why(found: Waiting) -> tuple[WaitingFor, str]:
    """What a word waits for: of several the one that says most."""
    place, spending, state = found.place, found.budget.spending, found.budget.state
    if place.status != "queued":
        return "attempt", "The word is being searched for."
    if state.paused:
        return "provider", f"Requests to the provider are paused: {state.reason or 'the reason is not known'}."
    if place.not_before is not None and place.not_before > spending.now:
        return "retry", f"The word is searched for again after {rfc3339(place.not_before)}."
    if spending.next_at(asked=True) > spending.now:
        return "budget", f"The {spending.quota} requests of this hour are spent."
    if place.place > 1:
        words = "1 word is" if place.place == 2 else f"{place.place - 1:,} words are"
        return "queue", f"{words} searched for before this one."
    return "queue", "The word is next."


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)

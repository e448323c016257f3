"""Whether the events of each image, as a client uses them, come in an order that an image can have.

A client drops an event whose revision is lower than one that it has seen of the same image; revision 0 is unknown and never
dropped. What is left must tell one attempt after the other: stored, thumbnails, variants, ready, or failed at any point; a
retry begins a new attempt; nothing comes after the deletion; and the last one says what the row says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.evidence import Evidence
from tests.chaos.history import History, Observed

STORED, THUMBNAILS, VARIANTS, READY = (
    "image.stored",
    "image.thumbnails_ready",
    "image.variants_ready",
    "image.ready",
)
FAILED, RETRIED, DELETED = "image.failed", "image.retried", "image.deleted"

_STEPS = {STORED: 1, THUMBNAILS: 2, VARIANTS: 3, READY: 4, FAILED: 5}
_LAST = {"complete": READY, "failed": FAILED}


def out_of_order(history: History, evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Images by id, each with what is wrong with the order of its events."""
    states = {image.id: image.processing for image in evidence.images}
    excused = history.excused
    told: dict[str, list[Observed]] = defaultdict(list)
    for event in history.first_events():
        if event.type in _STEPS or event.type in {RETRIED, DELETED}:
            told[event.subject].append(event)
    for image_id, events in told.items():
        seen = used(events)
        for problem in _problems(seen, again=image_id in history.harmed):
            yield image_id, f"{problem} ({_shown(events)})"
        wanted = DELETED if image_id in history.deleted else _LAST.get(states.get(image_id, ""))
        missing = image_id in excused and wanted not in {event.type for event in seen}
        if wanted is not None and seen[-1].type != wanted and not missing:
            yield image_id, f"the last event is {seen[-1].type}, and not {wanted} ({_shown(events)})"


def used(events: list[Observed]) -> list[Observed]:
    """Events of one image without those that a client drops for their revision."""
    kept, newest = [], 0
    for event in events:
        if event.revision == 0 or event.revision >= newest:
            kept.append(event)
            newest = max(newest, event.revision)
    return kept


def _problems(events: list[Observed], *, again: bool) -> Iterator[str]:
    """``again``: it may be told of once more after its end, because it was damaged."""
    reached, gone = "", False
    for event in events:
        if gone:
            yield f"{event.type} after {DELETED}"
        elif event.type == RETRIED:
            reached = ""
        elif event.type in _STEPS:
            if reached and _STEPS[event.type] <= _STEPS[reached] and not (again and reached in {READY, FAILED}):
                yield f"{event.type} after {reached}"
            elif event.type == FAILED and reached == READY:
                yield f"{FAILED} after {READY}"
            reached = event.type
        gone = gone or event.type == DELETED


def _shown(events: list[Observed]) -> str:
    return ", ".join(f"{event.type.removeprefix('image.')} {event.revision or '?'}" for event in events)

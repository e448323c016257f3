"""Words in the shapes of the system that Heliograph replaces (``word_schemas``). Pure.

``tests/contracts/golden/compat`` holds a sample of each, which no release may change.
"""

from __future__ import annotations

from typing import Any

from heliograph_common.clock import rfc3339
from heliograph_gateway.words.pictures import representation
from heliograph_gateway.words.pictures.service import Picture, Queued
from heliograph_gateway.words.queue.service import Stats

_NOT_YET = dict.fromkeys(
    ("image_url", "thumbnail_url", "photographer", "photographer_url", "source", "source_url", "attribution")
)


def populated(added: int, found: Stats) -> dict[str, Any]:
    """The answer to a population (``OldPopulated``)."""
    message = f"Added {added} words to image processing queue"
    return {"success": True, "message": message, "added_count": added, "queue_status": queue_status(found)}


def queue_status(found: Stats) -> dict[str, Any]:
    """The queue (``OldQueueStatus``)."""
    return {
        "queue_length": sum(found.lengths.values()),
        "cached_images": found.counts.with_picture,
        "requests_this_hour": found.budget.spending.used,
        "max_requests_per_hour": found.budget.spending.quota,
    }


def image(found: Picture | Queued) -> dict[str, Any]:
    """The image of a word (``OldWordImage``)."""
    own = {"word_id": found.word.id, "word": found.word.text}
    if isinstance(found, Queued):
        place = found.waiting.place
        return {
            "success": True,
            "status": "queued",
            "message": "Word is in the image processing queue",
            **own,
            "cached": False,
            **_NOT_YET,
            "queue_position": place.place,
            "due_at": rfc3339(found.waiting.budget.due_at(place)),
        }
    photo = representation.photo(found.photo)
    credit = photo["attribution"]
    return {
        "success": True,
        "status": "completed",
        "message": "Image found",
        **own,
        "cached": True,
        "image_url": photo["url"],
        "thumbnail_url": photo["thumb_url"],
        "photographer": credit["photographer"],
        "photographer_url": credit["photographer_url"],
        "source": credit["provider"],
        "source_url": credit["provider_url"],
        "attribution": credit["html"],
        "queue_position": None,
        "due_at": None,
    }


def cleared(word_id: str, *, had_one: bool) -> dict[str, Any]:
    """The answer to a cleared cache (``OldCleared``)."""
    message = "Image cache cleared" if had_one else "The word had no image"
    return {"success": True, "message": message, "word_id": word_id, "cleared_count": int(had_one)}


def cache_stats(found: Stats) -> dict[str, Any]:
    """Numbers of images (``OldCacheStats``)."""
    counts = found.counts
    return {
        "total_words": counts.words,
        "cached_images": counts.with_picture,
        "missing_images": counts.words - counts.with_picture,
        "failed_images": counts.missed,
        "queue_length": sum(found.lengths.values()),
    }


def background(found: Stats) -> dict[str, Any]:
    """The search for images (``OldBackground``)."""
    told, state = queue_status(found), found.budget.state
    status = "paused" if state.paused else "running" if told["queue_length"] else "idle"
    populated_at = found.counts.populated_at
    return {
        "status": status,
        "running": status == "running",
        **told,
        "next_request_at": rfc3339(found.budget.next_at),
        "last_populated_at": None if populated_at is None else rfc3339(populated_at),
        "error": state.reason if state.paused else None,
    }

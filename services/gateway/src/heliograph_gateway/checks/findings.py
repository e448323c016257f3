"""What a check can find wrong, as data: each kind with what it means, what to do, and whether a check can repair it. Pure.

The names are part of the API; docs/runbooks/check.md has a section on each, and a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Kind:
    """``name`` never changes once released. ``remedy`` is for whoever reads the finding; ``repairable``: a check with
    repair fixes it."""

    name: str
    remedy: str
    repairable: bool


STREAM_MISSING = Kind(
    "stream_missing",
    "The stream or consumer is missing. Repair creates it, and sends the work that it held again.",
    True,
)
STREAM_DIFFERS = Kind("stream_differs", "Its configuration differs. Repair corrects it, as provisioning does.", True)
ORIGINAL_MISSING = Kind(
    "original_missing",
    "The original is lost. Restore the object from a backup of the bucket, or have its owner upload the same image again. "
    "Existing renditions remain; an image that is not rendered yet fails.",
    False,
)
ORIGINAL_DAMAGED = Kind(
    "original_damaged",
    "The size of the object differs from that of the upload. Restore it from a backup of the bucket, or have its "
    "owner delete "
    "the image and upload it again.",
    False,
)
ORIGINAL_ORPHANED = Kind(
    "original_orphaned",
    "No image refers to the object. Repair has it deleted after the grace period for deleted images.",
    True,
)
RENDITION_MISSING = Kind("rendition_missing", "The object is lost. Repair renders it again from the original.", True)
RENDITION_DAMAGED = Kind(
    "rendition_damaged", "The size of the object differs from what was written. Repair renders it again.", True
)
RENDITION_ORPHANED = Kind(
    "rendition_orphaned",
    "No image refers to the object. Repair has it deleted after the grace period for deleted images.",
    True,
)
SIZE_MISSING = Kind("size_missing", "A complete image lacks a display size. Repair renders it.", True)
WORK_MISSING = Kind("work_missing", "An unfinished image has no pending work. Repair queues it again.", True)
WORK_SUPERFLUOUS = Kind(
    "work_superfluous", "There is pending work for a deleted or failed image. Repair removes it.", True
)
WORK_OVERDUE = Kind(
    "work_overdue",
    "The reconciler should have queued this work again more than an hour ago. Check the logs of the gateways for NATS "
    "outages "
    "and errors of the periodic task `reconciler`.",
    False,
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in list(globals().values()) if isinstance(kind, Kind)}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. ``about`` names it: ids, owner, key."""

    kind: Kind
    about: Mapping[str, str]
    repaired: bool = False


@dataclass(frozen=True)
class Page:
    """What a step found in one page. ``after`` is where the next page begins, ``None`` when the step is over;
    ``fraction`` (0 to 1) how far the step is."""

    findings: list[Finding]
    after: str | None
    fraction: float


class Step(Protocol):
    """A part of a check that goes through its rows or objects in one order. ``weight`` is its share of the whole."""

    name: str
    weight: int

    async def page(self, after: str, *, repair: bool) -> Page:
        """Looks at the next page after the position ``after`` (empty: from the start). What it finds was looked at twice
        and, with ``repair``, repaired where it can be. Looking at a page again does no harm.

        Raises:
            Unavailable: a server is away; nothing was lost, look at the page again.
        """

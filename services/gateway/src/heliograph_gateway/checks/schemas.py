"""The shapes of checks, beside those of ``heliograph_gateway.catalog.schemas``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from heliograph_gateway.http.schemas import Shape

_CHECK = "01a1f93a-6f0e-7c55-9d5e-2b1a6ad0c7f4"
_STEPS = Literal["streams", "originals", "renditions", "images", "work"]


class CheckRequest(Shape):
    """``repair``: what can be mended is mended; otherwise nothing is changed."""

    repair: Annotated[bool, Field(examples=[True])] = False


class FindingSample(Shape):
    """One finding: ids, owner, key, as they apply to its kind."""

    repaired: bool
    about: Annotated[dict[str, str], Field(examples=[{"image_id": _CHECK, "owner": "ann", "name": "300"}])]


class FindingShape(Shape):
    """All findings of a kind (docs/runbooks/check.md has a section on each): how many there were, how many of them were
    mended, what to do about the others, and the first 20."""

    kind: Annotated[str, Field(examples=["rendition_missing"])]
    found: Annotated[int, Field(examples=[3])]
    repaired: Annotated[int, Field(examples=[3])]
    repairable: bool
    remedy: Annotated[str, Field(examples=["The object is lost. Repair has it rendered again from the original."])]
    samples: list[FindingSample]


class CheckShape(Shape):
    """A check. ``progress`` is 0 to 100; ``found`` and ``repaired`` are the sums over ``findings``. ``error``: why it failed
    or, while it is running, what it waits for. ``moved_at``: when it last got on."""

    id: Annotated[UUID, Field(examples=[_CHECK])]
    state: Annotated[Literal["running", "complete", "failed", "cancelled"], Field(examples=["running"])]
    repair: bool
    progress: Annotated[int, Field(ge=0, le=100)]
    step: Annotated[_STEPS | None, Field(examples=["renditions"])]
    found: Annotated[int, Field(examples=[3])]
    repaired: Annotated[int, Field(examples=[3])]
    findings: list[FindingShape]
    error: Annotated[str | None, Field(examples=[None])]
    requested_by: Annotated[str, Field(examples=["root"])]
    started_at: datetime
    moved_at: datetime
    finished_at: Annotated[datetime | None, Field(examples=[None])]
    links: Annotated[dict[str, str], Field(examples=[{"self": f"/v1/admin/checks/{_CHECK}"}])]


class CheckPage(Shape):
    """Checks, newest first."""

    checks: list[CheckShape]
    next: Annotated[str | None, Field(examples=[None])]

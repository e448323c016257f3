"""The shapes of checks, beside those of ``heliograph_gateway.catalog.schemas``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from heliograph_gateway.http.schemas import NextPage, Shape, linked

CHECK_ID = "01a1f93a-6f0e-7c55-9d5e-2b1a6ad0c7f4"
"""An example."""
_STEPS = Literal["streams", "originals", "renditions", "images", "work"]


class CheckRequest(Shape):
    """Options of a check."""

    repair: Annotated[
        bool,
        Field(description="Whether to repair what can be repaired. If false, nothing is changed.", examples=[True]),
    ] = False


class FindingSample(Shape):
    """One finding."""

    repaired: Annotated[bool, Field(description="Whether it was repaired.", examples=[True])]
    about: Annotated[
        dict[str, str],
        Field(
            description="What the finding is about: ids, owner, object key or name, depending on its kind.",
            examples=[{"image_id": CHECK_ID, "owner": "ann", "name": "300"}],
        ),
    ]


class FindingShape(Shape):
    """All findings of one kind. The runbook docs/runbooks/check.md has a section on each kind."""

    kind: Annotated[str, Field(description="Kind of the findings.", examples=["rendition_missing"])]
    found: Annotated[int, Field(description="Number of findings.", examples=[3])]
    repaired: Annotated[int, Field(description="Number of findings that were repaired.", examples=[3])]
    repairable: Annotated[
        bool, Field(description="Whether a check with `repair` can repair findings of this kind.", examples=[True])
    ]
    remedy: Annotated[
        str,
        Field(
            description="What to do about findings of this kind.",
            examples=["The object is lost. Repair renders it again from the original."],
        ),
    ]
    samples: Annotated[list[FindingSample], Field(description="The first 20 findings.")]


class CheckShape(Shape):
    """A consistency check of all images, objects and streams."""

    model_config = ConfigDict(json_schema_extra=linked("check_id", "/id"))

    id: Annotated[UUID, Field(description="Id of the check.", examples=[CHECK_ID])]
    state: Annotated[
        Literal["running", "complete", "failed", "cancelled"],
        Field(description="State of the check.", examples=["running"]),
    ]
    repair: Annotated[bool, Field(description="Whether the check repairs what it can.", examples=[True])]
    progress: Annotated[int, Field(ge=0, le=100, description="Progress in percent, from 0 to 100.", examples=[60])]
    step: Annotated[
        _STEPS | None, Field(description="Step in progress. Null once the check has ended.", examples=["renditions"])
    ]
    found: Annotated[int, Field(description="Total number of findings.", examples=[3])]
    repaired: Annotated[int, Field(description="Total number of findings that were repaired.", examples=[3])]
    findings: Annotated[list[FindingShape], Field(description="Findings by kind.")]
    error: Annotated[
        str | None,
        Field(
            description="Why the check failed or, while it is running, what it is waiting for. Otherwise null.",
            examples=[None],
        ),
    ]
    requested_by: Annotated[
        str, Field(description="Subject of the administrator who started the check.", examples=["root"])
    ]
    started_at: Annotated[datetime, Field(description="When the check started.")]
    moved_at: Annotated[datetime, Field(description="When the check last made progress.")]
    finished_at: Annotated[
        datetime | None, Field(description="When the check ended. Null while it is running.", examples=[None])
    ]
    links: Annotated[
        dict[str, str],
        Field(
            description="URL of the check (`self`), relative to the server.",
            examples=[{"self": f"/v1/admin/checks/{CHECK_ID}"}],
        ),
    ]


class CheckPage(Shape):
    """A page of checks, newest first."""

    model_config = ConfigDict(json_schema_extra=linked("check_id", "/checks/0/id"))

    checks: Annotated[list[CheckShape], Field(description="Checks of this page.")]
    next: Annotated[NextPage, Field(examples=[None])]

"""The shapes of analyses and of what they used. ``representation`` builds them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path
from pydantic import ConfigDict, Field

from heliograph_gateway.catalog.schemas import IMAGE_ID
from heliograph_gateway.http.parameters import JsonId
from heliograph_gateway.http.schemas import Shape, linked

ANALYSIS_ID = "01a1f930-91c4-7d0f-8a3b-5a7f2c60e1d4"
"""An example."""
DEFAULT_PROFILE = "describe"
LONGEST_PROFILE = 64
RESULT: dict[str, Any] = {
    "caption": "A sandy beach with two boats.",
    "altText": "Two wooden boats lie on a sandy beach under a grey sky.",
    "tags": ["beach", "boat"],
}
"""An example."""

AnalysisId = Annotated[UUID, Path(description="Id of the analysis.", examples=[ANALYSIS_ID])]

REFRESH = (
    "Whether to queue a completed analysis again, after a change of the profile or of the model. The model is called if the "
    "result for the present ones is unknown."
)
_MICROS = "in US dollars"


class AnalysisRequest(Shape):
    """An image to analyze."""

    image_id: Annotated[JsonId, Field(description="Id of the image.", examples=[IMAGE_ID])]
    profile: Annotated[
        str,
        Field(
            max_length=LONGEST_PROFILE,
            description="Analysis profile: what a vision model reports about the image.",
            examples=[DEFAULT_PROFILE],
        ),
    ] = DEFAULT_PROFILE
    refresh: Annotated[bool, Field(description=REFRESH, examples=[False])] = False


class AnalysisUsageShape(Shape):
    """What an analysis used of the model. All zero if the result was known before."""

    calls: Annotated[int, Field(description="Number of calls to the model.", examples=[1])]
    input_tokens: Annotated[int, Field(description="Input tokens of these calls.", examples=[1410])]
    output_tokens: Annotated[int, Field(description="Output tokens of these calls.", examples=[180])]
    cost_usd: Annotated[
        float | None,
        Field(
            description=f"Cost of these calls {_MICROS}. Null if the price of the model is unknown.", examples=[0.0018]
        ),
    ]


class AnalysisError(Shape):
    """Why an analysis failed."""

    code: Annotated[str, Field(description="Kind of the failure.", examples=["refused"])]
    reason: Annotated[
        str, Field(description="Reason for the failure.", examples=["the model declined to answer about this image"])
    ]


class AnalysisWaiting(Shape):
    """What a queued analysis waits for."""

    reason: Annotated[str, Field(description="What it waits for.", examples=["missing credentials"])]
    until: Annotated[
        datetime | None, Field(description="When it is tried again. Null if that is unknown.", examples=[None])
    ]


class AnalysisShape(Shape):
    """What a vision model reports about an image."""

    model_config = ConfigDict(json_schema_extra=linked("analysis_id", "/id"))

    id: Annotated[UUID, Field(description="Id of the analysis.", examples=[ANALYSIS_ID])]
    image_id: Annotated[UUID, Field(description="Id of the image.", examples=[IMAGE_ID])]
    profile: Annotated[str, Field(description="Analysis profile.", examples=[DEFAULT_PROFILE])]
    status: Annotated[
        Literal["queued", "running", "completed", "failed"],
        Field(description="Status of the analysis.", examples=["completed"]),
    ]
    result: Annotated[
        dict[str, Any] | None,
        Field(description="The result. Its fields are those of the profile. Null until completed.", examples=[RESULT]),
    ]
    source: Annotated[
        Literal["api", "cache"] | None,
        Field(
            description="`api` if a model was called for this analysis, `cache` if the result for an equal image was "
            "known. Null until completed.",
            examples=["api"],
        ),
    ]
    model: Annotated[str | None, Field(description="The model. Null until one is chosen.", examples=["gpt-5-mini"])]
    profile_version: Annotated[
        int | None, Field(description="Version of the profile. Null until the analysis has started.", examples=[1])
    ]
    usage: Annotated[AnalysisUsageShape, Field(description="What the analysis used of the model.")]
    error: Annotated[
        AnalysisError | None, Field(description="Why the analysis failed. Null unless it has.", examples=[None])
    ]
    waiting: Annotated[
        AnalysisWaiting | None,
        Field(
            description="What the analysis waits for, such as credentials of a model. Null if nothing holds it up.",
            examples=[None],
        ),
    ]
    created_at: Annotated[datetime, Field(description="When the analysis was first requested.")]
    started_at: Annotated[datetime | None, Field(description="When the last attempt started. Null before the first.")]
    completed_at: Annotated[datetime | None, Field(description="When the analysis ended. Null until then.")]


class AnalysisList(Shape):
    """All analyses of an image, one per profile."""

    analyses: Annotated[list[AnalysisShape], Field(description="The analyses, newest last.")]


class UsageTotals(Shape):
    """What analyses used of models."""

    calls: Annotated[int, Field(description="Number of calls to models.", examples=[40])]
    cache_hits: Annotated[int, Field(description="Number of analyses whose result was known before.", examples=[60])]
    input_tokens: Annotated[int, Field(description="Input tokens of the calls.", examples=[56_400])]
    output_tokens: Annotated[int, Field(description="Output tokens of the calls.", examples=[7_200])]
    cost_usd: Annotated[
        float, Field(description=f"Cost of the calls whose price is known, {_MICROS}.", examples=[0.072])
    ]
    unpriced_calls: Annotated[int, Field(description="Number of calls whose price is unknown.", examples=[0])]


class UsageOfDay(UsageTotals):
    """What analyses of a profile used of a model on a day."""

    day: Annotated[date, Field(description="The day, in UTC.", examples=["2026-11-20"])]
    profile: Annotated[str, Field(description="Analysis profile.", examples=[DEFAULT_PROFILE])]
    model: Annotated[str, Field(description="The model.", examples=["gpt-5-mini"])]


class AnalysisUsageReport(Shape):
    """What analyses used of models in a period."""

    model_config = ConfigDict(
        json_schema_extra={"description": "What analyses used of models in a period, by day, profile and model."}
    )

    owner: Annotated[str, Field(description="Owner of the images; `*` for all owners together.", examples=["ann"])]
    first_day: Annotated[date, Field(description="First day of the period, in UTC.", examples=["2026-11-01"])]
    last_day: Annotated[date, Field(description="Last day of the period, in UTC.", examples=["2026-11-30"])]
    days: Annotated[list[UsageOfDay], Field(description="One entry per day, profile and model, the newest day first.")]
    total: Annotated[UsageTotals, Field(description="Sum of all entries.")]

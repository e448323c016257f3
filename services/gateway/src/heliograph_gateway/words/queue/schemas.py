"""The shapes of the queue of words. ``representation`` builds them; a test holds it to these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from heliograph_gateway.http.parameters import WHOLE
from heliograph_gateway.http.schemas import Shape

WaitingFor = Literal["attempt", "retry", "provider", "budget", "queue"]
Which = Literal["all", "top100", "vocabulary", "recent"]


class SyncRequest(Shape):
    """Which words to add to the queue."""

    type: Annotated[
        Which,
        Field(
            description="`all` words; `top100`, the 100 words of each language with the best rank; `vocabulary`, words in "
            "anyone's vocabulary; `recent`, words created lately."
        ),
    ] = "all"
    days: Annotated[
        int | None,
        Field(
            ge=1,
            le=3_650,
            description="Number of days for which a word counts as `recent` in this request. Null for the default of the "
            "installation. Its place in the queue follows the default in either case.",
            examples=[7],
        ),
        WHOLE,
    ] = None


class Lanes(Shape):
    """Words in the queue. Words of the first kinds are searched for first."""

    under_way: Annotated[int, Field(description="Words whose search has begun.", examples=[2])]
    requested: Annotated[int, Field(description="Words whose image a client requested.", examples=[5])]
    top: Annotated[int, Field(description="Words among the 100 best ranks of their language.", examples=[100])]
    vocabulary: Annotated[int, Field(description="Words of vocabularies.", examples=[840])]
    recent: Annotated[int, Field(description="Words created lately.", examples=[1_200])]
    rest: Annotated[int, Field(description="All other words.", examples=[24_996])]
    total: Annotated[int, Field(description="Sum of the other numbers.", examples=[27_143])]


class BudgetShape(Shape):
    """Requests to the image provider, of the whole installation."""

    limit: Annotated[int, Field(description="Requests allowed per hour.", examples=[25])]
    used: Annotated[int, Field(description="Requests made in the last hour.", examples=[17])]
    next_at: Annotated[
        datetime,
        Field(
            description="When the next request may be made for a word that a client requested. Requests for other words are "
            "spread over the hour."
        ),
    ]
    paused_until: Annotated[
        datetime | None,
        Field(description="Until when requests are paused. Null if they are not.", examples=[None]),
    ]
    reason: Annotated[str | None, Field(description="Why requests are paused. Null if they are not.", examples=[None])]


class WordStats(Shape):
    """Numbers of words, of images found for them, and of words that wait for one."""

    words: Annotated[int, Field(description="Words of this installation.", examples=[28_343])]
    with_picture: Annotated[int, Field(description="Words with an image.", examples=[1_187])]
    missed: Annotated[int, Field(description="Words for which none was found lately.", examples=[13])]
    queue: Annotated[Lanes, Field(description="Words that wait for an image.")]
    budget: Annotated[BudgetShape, Field(description="Requests to the provider.")]
    populated_at: Annotated[
        datetime | None, Field(description="When the queue was last populated by itself. Null before the first time.")
    ]
    next_population_at: Annotated[
        datetime | None, Field(description="When that happens next. Null before the first time.")
    ]


class Synced(Shape):
    """What was added to the queue."""

    added: Annotated[int, Field(description="Words that are new in the queue.", examples=[1_500])]
    queue: Annotated[Lanes, Field(description="Words that wait for an image, these among them.")]
    budget: Annotated[BudgetShape, Field(description="Requests to the provider.")]


class WaitingShape(Shape):
    """A word that waits for an image."""

    word_id: Annotated[str, Field(description="Id of the word.", examples=["4711"])]
    status: Annotated[Literal["queued"], Field(description="The word is in the queue.")]
    place: Annotated[int, Field(ge=1, description="Place in the queue; 1 is next.", examples=[3])]
    due_at: Annotated[
        datetime, Field(description="Estimate of when it is searched for. Ask again then, or follow the events.")
    ]
    waiting_for: Annotated[
        WaitingFor,
        Field(
            description="What it waits for: an `attempt` that has begun; a `retry` after a failed one; the `provider`, "
            "which is paused; the `budget` of the hour, which is spent; or the words before it in the `queue`.",
            examples=["queue"],
        ),
    ]
    reason: Annotated[
        str, Field(description="The same for people.", examples=["2 words are searched for before this one."])
    ]
    links: Annotated[
        dict[str, str],
        Field(
            description="URLs of the image (`self`) and of the word (`word`), relative to the server.",
            examples=[{"self": "/v1/words/4711/image", "word": "/v1/words/4711"}],
        ),
    ]

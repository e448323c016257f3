"""The shape of the queue."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from heliograph_gateway.http.schemas import Shape


class ConsumerQueue(Shape):
    """Work of one consumer."""

    consumer: Annotated[str, Field(description="Name of the consumer.", examples=["thumbnailer-normal"])]
    subject: Annotated[str, Field(description="Subject that the consumer reads.", examples=["work.render.normal"])]
    waiting: Annotated[int, Field(description="Messages waiting for a worker.", examples=[12])]
    active: Annotated[int, Field(description="Messages that workers are processing.", examples=[4])]
    delayed: Annotated[
        int, Field(description="Messages whose last attempt failed and that wait for the next one.", examples=[1])
    ]
    oldest_seconds: Annotated[
        float | None, Field(description="Age of the oldest message in seconds. Null if there is none.", examples=[3.5])
    ]


class OutboxShape(Shape):
    """Messages that are committed to the database and not yet published to NATS."""

    depth: Annotated[
        int, Field(description="Number of messages, exact up to 10,000 and an estimate above that.", examples=[0])
    ]
    oldest_seconds: Annotated[
        float, Field(description="Age of the oldest message in seconds. 0 if there is none.", examples=[0.0])
    ]
    quarantined: Annotated[
        int,
        Field(
            description="Messages that cannot be published and wait for an administrator. Not part of `depth`.",
            examples=[0],
        ),
    ]


class QueueShape(Shape):
    """State of the work queue."""

    nats: Annotated[Literal["available", "unavailable"], Field(description="Whether NATS is available.")]
    waiting: Annotated[
        int | None,
        Field(
            description="Messages waiting for a worker, over all consumers. Null while NATS is unavailable.",
            examples=[12],
        ),
    ]
    active: Annotated[
        int | None,
        Field(
            description="Messages that workers are processing, over all consumers. Null while NATS is unavailable.",
            examples=[4],
        ),
    ]
    delayed: Annotated[
        int | None,
        Field(
            description="Messages waiting for another attempt, over all consumers. Null while NATS is unavailable.",
            examples=[1],
        ),
    ]
    oldest_seconds: Annotated[
        float | None,
        Field(
            description="Age of the oldest message in seconds. Null if there is none or while NATS is unavailable.",
            examples=[3.5],
        ),
    ]
    consumers: Annotated[
        list[ConsumerQueue], Field(description="State of each consumer. Empty while NATS is unavailable.")
    ]
    completed: Annotated[int, Field(description="Images completed in the last 24 hours.", examples=[1200])]
    failed: Annotated[int, Field(description="Images that failed in the last 24 hours.", examples=[2])]
    counted: Annotated[
        Literal["own", "all"],
        Field(
            description="Whose images `completed` and `failed` count: `own` for the caller's, `all` for those of all owners "
            "(administrators only)."
        ),
    ]
    outbox: Annotated[OutboxShape, Field(description="Messages not yet published to NATS.")]

"""The shapes of dead letters."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from heliograph_gateway.http.schemas import TRACE_ID, NextPage, Shape, linked

_MESSAGE_ID = "01a1f92b-c1e0-7d11-8a3e-5f20b7a1c0de"
_IMAGE_ID = "01a1f92b-ba77-76a1-85bb-608671403cb6"


class DeadLetterShape(Shape):
    """A message that a service could not process."""

    id: Annotated[
        str, Field(description="Id of the dead letter: its sequence number in the stream `DEAD`.", examples=["17"])
    ]
    service: Annotated[str, Field(description="Service that gave up on the message.", examples=["thumbnailer"])]
    subject: Annotated[str, Field(description="Subject of the message.", examples=["work.render.normal"])]
    owner: Annotated[str, Field(description="Owner that the message concerns.", examples=["ann"])]
    reason: Annotated[
        str,
        Field(
            description="Why the message could not be processed.",
            examples=["not finished in 5 attempts; workers may have crashed"],
        ),
    ]
    error: Annotated[str, Field(description="Type of the error.", examples=["GivenUpError"])]
    deliveries: Annotated[int, Field(description="Number of times the message was delivered.", examples=[5])]
    died_at: Annotated[datetime, Field(description="When the service gave up.")]
    image_id: Annotated[
        str | None,
        Field(
            description="Id of the image that the message is about. Null if it is about no image.", examples=[_IMAGE_ID]
        ),
    ]
    trace_id: Annotated[
        str | None,
        Field(description="Id of the trace that the message belongs to. Null if unknown.", examples=[TRACE_ID]),
    ]
    headers: Annotated[
        dict[str, str],
        Field(
            description="Headers of the message.",
            examples=[{"Nats-Msg-Id": _MESSAGE_ID, "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}],
        ),
    ]
    payload: Annotated[
        str,
        Field(
            description="Body of the message, as text.",
            examples=[f'{{"id": "{_MESSAGE_ID}", "type": "render.image", "data": {{"image_id": "{_IMAGE_ID}"}}}}'],
        ),
    ]


class DeadLetterPage(Shape):
    """A page of dead letters, newest first."""

    model_config = ConfigDict(json_schema_extra=linked("letter_id", "/dead_letters/0/id"))

    dead_letters: Annotated[list[DeadLetterShape], Field(description="Dead letters of this page.")]
    next: Annotated[NextPage, Field(examples=[None])]


class Replayed(Shape):
    """Result of a replay."""

    message_id: Annotated[UUID, Field(description="Id of the new message.", examples=[_MESSAGE_ID])]
    subject: Annotated[str, Field(description="Subject of the new message.", examples=["work.render.normal"])]
    circuit_closed: Annotated[
        bool, Field(description="Whether the image of the message had failed and is pending again.")
    ]

"""The shapes of quarantined messages."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from heliograph_gateway.http.schemas import TRACE_ID, NextPage, Shape, linked

MESSAGE_ID = "01a1f92b-c1e0-7d11-8a3e-5f20b7a1c0de"
"""An example."""


class QuarantinedShape(Shape):
    """A message that cannot be published in its current form."""

    id: Annotated[UUID, Field(description="Id of the message.", examples=[MESSAGE_ID])]
    subject: Annotated[str, Field(description="Subject of the message.", examples=["events.image.stored"])]
    owner: Annotated[
        str | None,
        Field(description="Owner that the message concerns. Null if the message cannot be read.", examples=["ann"]),
    ]
    reason: Annotated[
        str,
        Field(
            description="Why the message cannot be published.",
            examples=["events.image.stored: message size exceeds maximum allowed"],
        ),
    ]
    bytes: Annotated[int, Field(description="Size of the message body in bytes.", examples=[1_248_640])]
    created_at: Annotated[datetime, Field(description="When the message was created.")]
    quarantined_at: Annotated[datetime, Field(description="When the message was quarantined.")]
    trace_id: Annotated[
        str | None,
        Field(description="Id of the trace that the message belongs to. Null if unknown.", examples=[TRACE_ID]),
    ]


class QuarantinePage(Shape):
    """A page of quarantined messages, newest first."""

    model_config = ConfigDict(json_schema_extra=linked("message_id", "/messages/0/id"))

    messages: Annotated[list[QuarantinedShape], Field(description="Messages of this page.")]
    next: Annotated[NextPage, Field(examples=[None])]


class Released(Shape):
    """A message that was released from quarantine."""

    message_id: Annotated[UUID, Field(description="Id of the message.", examples=[MESSAGE_ID])]

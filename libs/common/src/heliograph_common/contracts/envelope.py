"""The JSON envelope of every message, and its encoding. Unknown fields are ignored, so that senders may be newer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec

from heliograph_common.clock import utc_now
from heliograph_common.contracts.body import Body
from heliograph_common.errors import MalformedMessage
from heliograph_common.ids import new_id

HEADER_MESSAGE_ID = "Nats-Msg-Id"
CONTENT_TYPE = "application/json"
TYPE, VERSION, DATA = "Type of the message.", "Version of the type.", "Content of the message."
"""Descriptions of the fields that the documents narrow to one type."""

_Body = TypeVar("_Body", bound=Body)


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One message; ``id`` is that of its outbox row."""

    id: Annotated[UUID, msgspec.Meta(description="Id of the message (UUIDv7), equal to the `Nats-Msg-Id` header.")]
    type: Annotated[str, msgspec.Meta(description=TYPE)]
    version: Annotated[int, msgspec.Meta(description=VERSION)]
    occurred_at: Annotated[datetime, msgspec.Meta(description="When it happened, in UTC.")]
    owner: Annotated[str, msgspec.Meta(description="Owner that the message concerns: the subject of their token.")]
    data: Annotated[dict[str, Any], msgspec.Meta(description=DATA)]


def body_of(message: Envelope, expected: type[_Body]) -> _Body:
    """The typed body of ``message``.

    Raises:
        MalformedMessage: the type, the version or a field is not what ``expected`` declares.
    """
    if message.type != expected.type or message.version > expected.version:
        raise MalformedMessage(
            f"got {message.type} version {message.version}, this service knows {expected.type} up to version "
            f"{expected.version}; deploy it in the sender's version"
        )
    try:
        return msgspec.convert(message.data, expected)
    except msgspec.ValidationError as error:
        raise MalformedMessage(f"{message.type}: {error}") from error


def envelope(body: Body, *, owner: str, occurred_at: datetime | None = None) -> Envelope:
    """Wraps ``body`` with a new id and the present as its time."""
    return Envelope(
        id=new_id(),
        type=type(body).type,
        version=type(body).version,
        occurred_at=occurred_at or utc_now(),
        owner=owner,
        data=msgspec.to_builtins(body),
    )


def encode(message: Envelope) -> bytes:
    """The message's bytes on the wire."""
    return msgspec.json.encode(message)


def decode(payload: bytes) -> Envelope:
    """The message in ``payload``.

    Raises:
        MalformedMessage: it is no envelope.
    """
    try:
        return _decoder.decode(payload)
    except msgspec.DecodeError as error:
        raise MalformedMessage(f"not an envelope: {error}") from error


_decoder = msgspec.json.Decoder(Envelope)

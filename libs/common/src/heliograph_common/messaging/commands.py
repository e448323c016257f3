"""Commands and their rows of work: each can be made from the other."""

from __future__ import annotations

from uuid import UUID

from heliograph_common.clock import utc_now
from heliograph_common.contracts.body import Command
from heliograph_common.contracts.envelope import Envelope
from heliograph_common.db.work import Request, WorkRow
from heliograph_common.ids import new_id


def request_of(message: Envelope, command: Command, subject: str) -> Request:
    """The row that ``message``, whose body is ``command``, asks for."""
    return Request(
        kind=command.kind,
        target=command.target,
        owner=message.owner,
        subject=subject,
        message_type=message.type,
        message_version=message.version,
        message_data=message.data,
        command_id=message.id,
    )


def command_of(row: WorkRow, *, message_id: UUID | None = None) -> Envelope:
    """A new command for the work of ``row``, with an id of its own or the one that is given."""
    return Envelope(
        id=message_id or new_id(),
        type=row.message_type,
        version=row.message_version,
        occurred_at=utc_now(),
        owner=row.owner,
        data=row.message_data,
    )

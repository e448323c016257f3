"""The port of a user service: the server of an application that keeps what people have eaten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from heliograph_common.errors import Permanent, RemoteFailure


class EntryRefused(Permanent):
    """The user service does not take the entry: see its answer."""


class UserServiceFailed(RemoteFailure):
    """The user service cannot take the entry now: send it again."""


class UserService(Protocol):
    """Keeps entries."""

    async def put(self, entry_id: UUID, entry: Mapping[str, Any]) -> None:
        """Gives it an entry. The same entry again changes nothing.

        Raises:
            EntryRefused: it takes no such entry, or another one of that id.
            UserServiceFailed: it cannot be reached or is out of order; ``delay`` is what it asks to wait.
        """

    async def close(self) -> None:
        """Ends its connections."""

"""The methods of the client that only administrators may call: dead letters, the outbox's quarantine, checks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

from heliograph_client.models import Check, DeadLetter, QuarantinedMessage, Replayed
from heliograph_client.pages import (
    CHECKS,
    QUARANTINE,
    CheckPage,
    DeadLetterPage,
    QuarantinePage,
    check_path,
    cursor_in,
    letter_path,
    quarantine_path,
)
from heliograph_client.transport import Transport, parse


class Administration:
    """A part of ``AsyncClient``, which has the transport."""

    _transport: Transport

    async def dead_letters(
        self, *, service: str | None = None, page_size: int = 100
    ) -> AsyncGenerator[DeadLetter, None]:
        """What could not be done, newest first; for administrators."""
        cursor: str | None = None
        while True:
            params = {"service": service, "limit": page_size, "cursor": cursor}
            page = parse(DeadLetterPage, await self._admin("GET", "/v1/dead-letters", params=params))
            for letter in page.dead_letters:
                yield letter
            if (cursor := cursor_in(page.next)) is None:
                return

    async def dead_letter(self, letter_id: str) -> DeadLetter:
        """One dead letter; for administrators."""
        return parse(DeadLetter, await self._admin("GET", letter_path(letter_id)))

    async def replay_dead_letter(self, letter_id: str) -> Replayed:
        """Sends the message of a dead letter again; for administrators."""
        return parse(Replayed, await self._admin("POST", f"{letter_path(letter_id)}/replay", repeatable=False))

    async def drop_dead_letter(self, letter_id: str) -> None:
        """Deletes a dead letter; for administrators."""
        await self._admin("DELETE", letter_path(letter_id))

    async def quarantine(self, *, page_size: int = 100) -> AsyncGenerator[QuarantinedMessage, None]:
        """Messages that can never be published as they are, newest first; for administrators."""
        cursor: str | None = None
        while True:
            params = {"limit": page_size, "cursor": cursor}
            page = parse(QuarantinePage, await self._admin("GET", QUARANTINE, params=params))
            for message in page.messages:
                yield message
            if (cursor := cursor_in(page.next)) is None:
                return

    async def release_quarantined(self, message_id: UUID | str) -> None:
        """Has a quarantined message published after all, within seconds; for administrators.

        Raises:
            NotFound: there is none of that id.
        """
        await self._admin("POST", f"{quarantine_path(message_id)}/release", repeatable=False)

    async def drop_quarantined(self, message_id: UUID | str) -> None:
        """Deletes a quarantined message; for administrators.

        Raises:
            NotFound: there is none of that id.
        """
        await self._admin("DELETE", quarantine_path(message_id))

    async def start_check(self, *, repair: bool = False) -> Check:
        """Has the server compare rows, objects and streams and, with ``repair``, repair differences. It goes on by itself:
        ``check`` tells how far it is. For administrators.

        Raises:
            Conflict: a check is running.
        """
        return parse(Check, await self._admin("POST", CHECKS, json={"repair": repair}, repeatable=False))

    async def check(self, check_id: UUID | str) -> Check:
        """One check; for administrators.

        Raises:
            NotFound: there is none of that id.
        """
        return parse(Check, await self._admin("GET", check_path(check_id)))

    async def last_check(self) -> Check | None:
        """The newest check, ``None`` where there was none; for administrators."""
        page = parse(CheckPage, await self._admin("GET", CHECKS, params={"limit": 1}))
        return page.checks[0] if page.checks else None

    async def checks(self, *, page_size: int = 20) -> AsyncGenerator[Check, None]:
        """Checks of the last 90 days, newest first; for administrators."""
        cursor: str | None = None
        while True:
            page = parse(CheckPage, await self._admin("GET", CHECKS, params={"limit": page_size, "cursor": cursor}))
            for each in page.checks:
                yield each
            if (cursor := cursor_in(page.next)) is None:
                return

    async def cancel_check(self, check_id: UUID | str) -> Check:
        """Ends a running check where it stands; for administrators.

        Raises:
            Conflict: it is not running.
        """
        return parse(Check, await self._admin("POST", f"{check_path(check_id)}/cancel", repeatable=False))

    async def _admin(self, method: str, path: str, **arguments: Any) -> Any:
        return await self._transport.request(method, path, admin=True, **arguments)

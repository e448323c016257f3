"""What an accepted WebSocket has, whatever it speaks: a token that is watched, limits, and the events that follow.

Subclasses add their frames. Leaves out how events are sent (``client``) and found (``replay``).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from heliograph_common.auth.principal import Principal
from heliograph_common.errors import Forbidden, Unauthenticated
from heliograph_common.http.problems import sentence
from heliograph_notifier.fanout.client import Client
from heliograph_notifier.fanout.filters import Filter
from heliograph_notifier.protocol.codes import CloseCode
from heliograph_notifier.transports.admission import Admission

log = structlog.get_logger(__name__)


class Session:
    """One accepted socket whose tokens need ``scope``; closed when none comes in time."""

    def __init__(self, client: Client, admission: Admission, *, scope: str) -> None:
        self._client = client
        self._admission = admission
        self._scope = scope
        self._loop = asyncio.get_running_loop()
        self._principal: Principal | None = None
        self._following: asyncio.Task[None] | None = None
        self._deadline = self._loop.call_later(
            admission.settings.auth_seconds, client.close, CloseCode.AUTH_TIMEOUT, "No token was received in time."
        )
        self._minute = 0.0
        self._frames = 0

    def authenticated(self, principal: Principal) -> bool:
        """Takes the socket's first or renewed token into use, and watches its expiry; whether the socket stays open."""
        if self._principal is None:
            if not self._admission.admit(self._client, principal.subject):
                return False
        elif principal.subject != self._principal.subject:
            self._client.close(
                CloseCode.FORBIDDEN, "The new token belongs to another subject. Open another connection for it."
            )
            return False
        self._principal = principal
        if self._client.filter.all_owners and not principal.is_admin:
            self._client.close(
                CloseCode.FORBIDDEN, "The new token lacks the scope `admin`, which `all_owners` requires."
            )
            return False
        self._deadline.cancel()
        left = (principal.expires_at - datetime.now(UTC)).total_seconds()
        self._deadline = self._loop.call_later(
            max(left, 0.0), self._client.close, CloseCode.TOKEN_EXPIRED, "The token has expired."
        )
        return True

    async def authenticate(self, token: str) -> bool:
        """Takes a token that came in a frame; whether the socket stays open."""
        try:
            principal = await self._admission.verifier.verify(token)
            principal.require(self._scope)
        except Unauthenticated as error:
            self._client.close(CloseCode.UNAUTHENTICATED, sentence(str(error)))
        except Forbidden as error:
            self._client.close(CloseCode.FORBIDDEN, sentence(str(error)))
        else:
            return self.authenticated(principal)
        return False

    def follow(self, wanted: Filter, cursor: str | None = None) -> None:
        """Starts the events, again where they have started already."""
        if self._principal is None or self._client.closed:
            return
        self._stop_following()
        self._client.filter = wanted
        self._client.owner = None if wanted.all_owners else self._principal.subject
        self._client.position = 0
        self._following = asyncio.create_task(self._admission.replay.follow(self._client, cursor), name="replay")
        self._following.add_done_callback(self._followed)

    def end(self) -> None:
        """The socket is gone."""
        self._deadline.cancel()
        self._stop_following()
        self._admission.leave(self._client, self._principal.subject if self._principal else None)

    def too_many(self) -> bool:
        """Counts a frame of the client; closes a socket that sends more than its limit, and says so."""
        now = self._loop.time()
        if now - self._minute > 60:
            self._minute, self._frames = now, 0
        self._frames += 1
        if self._frames <= self._admission.settings.frames_per_minute:
            return False
        self._client.close(
            CloseCode.POLICY, f"Limit exceeded: {self._admission.settings.frames_per_minute} frames per minute."
        )
        return True

    def _stop_following(self) -> None:
        if self._following is not None:
            self._following.cancel()
            self._following = None
        self._admission.hub.leave(self._client)

    def _followed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.error("replay failed", exc_info=task.exception())
            self._client.close(
                CloseCode.HISTORY_UNAVAILABLE, "The events after the cursor cannot be read at the moment."
            )

"""The event stream over WebSocket: connects, comes back by close code, drops repeats and what comes too late.

``revisions.py`` says what is too late. The only module that speaks websockets. Protocol: subprotocol
``heliograph.v1`` of ``/v1/events``: CloudEvents 1.0 in text frames, and control frames, which have ``op``.
Close codes (RFC 6455, 7.4): 40xx and 1008 stop, 41xx and 1013 back off, 42xx come back now, 1012 come back when the server
said; all else is a lost connection.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from heliograph_client.connection import Connection, is_loopback
from heliograph_client.errors import EventsRefused, HeliographError, Unavailable, Unreachable, problem_error
from heliograph_client.models import Event, Problem, Reset
from heliograph_client.retry import RetryPolicy, retry_after
from heliograph_client.revisions import Revisions

log = logging.getLogger(__name__)

_SUBPROTOCOL = Subprotocol("heliograph.v1")
_TYPE_PREFIX = "dev.heliograph."
_REMEMBERED = 10_000
_MAX_FRAME = 4 * 1024 * 1024
_POLICY_VIOLATION, _SERVICE_RESTART, _TRY_AGAIN_LATER = 1008, 1012, 1013

Connected = Callable[[bool], None]
"""Told when events begin to flow (``True``) and when the connection is lost (``False``)."""


class EventStream:
    """Read ``items`` once. ``cursor`` is where to go on: of the last event taken, and of the start before that. After
    ``quiet_seconds`` without a frame it asks where the stream is. What it knows of images lasts as long as it does, through
    reconnects and resets."""

    def __init__(
        self,
        connection: Connection,
        policy: RetryPolicy,
        *,
        cursor: str | None = None,
        types: Sequence[str] = (),
        on_connected: Connected | None = None,
        quiet_seconds: float = 30.0,
    ) -> None:
        self.cursor = cursor
        self._connection = connection
        self._policy = policy
        self._types = tuple(types)
        self._on_connected = on_connected or (lambda _: None)
        self._quiet_seconds = quiet_seconds
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._revisions = Revisions(_REMEMBERED)
        self._failures = 0
        self._was_connected = False
        self._hint: float | None = None

    async def items(self) -> AsyncGenerator[Event | Reset, None]:
        """Events and resets, for ever; those of one image in the order of its revisions.

        Raises:
            EventsRefused: the server said to stop.
            ProblemError: it refused the handshake.
            Unreachable: no connection came about at all.
        """
        while True:
            try:
                async with self._connect() as socket:
                    await self._subscribe(socket)
                    while True:
                        if (item := self._take(await self._next(socket))) is not None:
                            yield item
            except ConnectionClosed as closed:
                delay = self._after_close(closed)
            except InvalidURI as error:
                raise HeliographError(f"{error}; give --events or HELIOGRAPH_EVENTS as ws://host:port/path") from error
            except InvalidStatus as error:
                delay = self._after_refusal(error)
            except (OSError, TimeoutError, InvalidHandshake) as error:
                delay = self._after_failure(self._unreachable(error))
            finally:
                self._on_connected(False)
            await asyncio.sleep(delay)

    def _connect(self) -> connect:
        token = self._connection.token_for(admin=False)
        url = self._connection.events
        return connect(
            url,
            subprotocols=[_SUBPROTOCOL],
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
            proxy=None if is_loopback(url) else True,
            max_size=_MAX_FRAME,
            close_timeout=2,
        )

    async def _subscribe(self, socket: ClientConnection) -> None:
        where = {"cursor": self.cursor} if self.cursor else {}
        await socket.send(json.dumps({"op": "subscribe", "types": self._types, **where}))

    async def _next(self, socket: ClientConnection) -> dict[str, Any]:
        while True:
            try:
                async with asyncio.timeout(self._quiet_seconds):
                    message: dict[str, Any] = json.loads(await socket.recv())
                    return message
            except TimeoutError:
                await socket.send('{"op":"ping"}')  # the pong moves the cursor past events that the filter held back

    def _take(self, message: dict[str, Any]) -> Event | Reset | None:
        return self._control(message) if "op" in message else self._event(message)

    def _control(self, message: dict[str, Any]) -> Reset | None:
        op, cursor = message["op"], message.get("cursor")
        if op in {"ready", "reset", "pong"}:
            self._came_through()
            self.cursor = cursor or self.cursor
        if op == "reset":
            return Reset(reason=str(message.get("reason", "unknown")), cursor=cursor)
        if op == "draining":
            self._hint = float(message.get("reconnect_in_ms", 0)) / 1000
        if op == "error":
            raise problem_error(Problem.model_validate(message.get("problem", {})))
        return None

    def _event(self, message: dict[str, Any]) -> Event | None:
        try:
            event = Event.model_validate({**message, "type": str(message.get("type")).removeprefix(_TYPE_PREFIX)})
        except ValidationError:
            log.warning("ignored a malformed event: %.200r", message)
            return None
        self._came_through()
        self.cursor = event.cursor or self.cursor
        if event.id in self._seen:
            return None
        self._seen[event.id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return event if self._revisions.take(event.subject, event.revision) else None

    def _came_through(self) -> None:
        if not self._was_connected or self._failures:
            log.info("event stream connected")
        self._failures = 0
        self._was_connected = True
        self._on_connected(True)

    def _after_close(self, closed: ConnectionClosed) -> float:
        """Seconds until the next attempt.

        Raises:
            EventsRefused: the server said to stop.
        """
        code = closed.rcvd.code if closed.rcvd else 1006
        reason = closed.rcvd.reason if closed.rcvd else "connection lost"
        if code == _POLICY_VIOLATION or 4000 <= code < 4100:
            raise EventsRefused(
                f"the server closed the event stream ({code} {reason}); fix the cause before you reconnect", code
            )
        self._failures += 1
        if code == _SERVICE_RESTART:
            delay, self._hint = self._hint or self._policy.backoff(1), None
        elif 4200 <= code < 4300 and self._failures == 1:  # the last connection did bring something
            delay = 0.0
        elif 4100 <= code < 4200 or code == _TRY_AGAIN_LATER:
            delay = self._policy.backoff(self._failures + 2)
        else:
            delay = self._policy.backoff(self._failures)
        log.info("event stream closed (%d %s), reconnecting in %.1f s", code, reason, delay)
        return delay

    def _after_refusal(self, error: InvalidStatus) -> float:
        """Seconds until the next attempt after an HTTP status in the place of a handshake."""
        response = error.response
        status = response.status_code
        try:
            problem = Problem.model_validate_json(response.body or b"")
        except ValidationError:
            problem = Problem(status=status, title=f"{self._connection.events} answered {status}")
        failure = problem_error(problem)
        if not isinstance(failure, Unavailable):
            raise failure from error
        return self._after_failure(failure, retry_after(response.headers.get("Retry-After")))

    def _after_failure(self, failure: HeliographError, server_delay: float | None = None) -> float:
        """Gives up only where no connection ever came about."""
        self._failures += 1
        answered = self._was_connected or not isinstance(failure, Unreachable)
        delay = self._policy.delay(self._failures, server_delay, answered=answered)
        if delay is None and not self._was_connected:
            raise failure
        delay = delay or max(self._policy.backoff(self._failures), server_delay or 0.0)
        log.info("event stream unavailable (%s), reconnecting in %.1f s", failure, delay)
        return delay

    def _unreachable(self, error: Exception) -> Unreachable:
        said = str(error) or type(error).__name__
        return Unreachable(
            f"{self._connection.events} does not answer ({said}); check the address ({self._connection.origin}) "
            "and that the notifier is running"
        )

"""Admission of connections: limits, drain, whose events. Both transports pass through here."""

from __future__ import annotations

from heliograph_common.auth.principal import Principal
from heliograph_common.auth.tokens import TokenVerifier
from heliograph_common.http.problems import FORBIDDEN, Problem
from heliograph_common.telemetry import metrics
from heliograph_notifier.fanout.client import Client, QueueLimits
from heliograph_notifier.fanout.filters import Filter
from heliograph_notifier.fanout.hub import Hub
from heliograph_notifier.fanout.replay import Replay
from heliograph_notifier.protocol.codes import CloseCode
from heliograph_notifier.settings import SocketSettings


class Admission:
    """What a connection needs of the process."""

    def __init__(self, hub: Hub, replay: Replay, verifier: TokenVerifier, settings: SocketSettings) -> None:
        self.hub = hub
        self.replay = replay
        self.verifier = verifier
        self.settings = settings
        self.limits = QueueLimits(settings.queue_bytes, settings.queue_events)

    def enter(self, client: Client) -> bool:
        """Registers the connection; closes it instead where the process takes no more."""
        code, reason = self._closed_because()
        if code is not None:
            client.close(code, reason)
            return False
        self.hub.clients.add(client)
        metrics.sockets.labels(transport=client.transport).inc()
        return True

    def admit(self, client: Client, subject: str) -> bool:
        """Registers the connection under its principal; closes it instead where that one has too many."""
        if self.hub.count(subject) >= self.settings.per_principal:
            client.close(
                CloseCode.TRY_AGAIN_LATER, f"Limit exceeded: {self.settings.per_principal} connections per subject."
            )
            return False
        self.hub.hold(subject)
        return True

    def leave(self, client: Client, subject: str | None) -> None:
        """Unregisters the connection."""
        self.hub.leave(client)
        if client in self.hub.clients:
            self.hub.clients.discard(client)
            metrics.sockets.labels(transport=client.transport).dec()
        if subject is not None:
            self.hub.release(subject)
        client.forget()

    def check_filter(self, principal: Principal, wanted: Filter) -> None:
        """Raises:
        Problem: only administrators see all owners.
        """
        if wanted.all_owners and not principal.is_admin:
            raise Problem(FORBIDDEN, "`all_owners` requires the scope `admin`.")

    def _closed_because(self) -> tuple[CloseCode | None, str]:
        if self.hub.draining:
            return CloseCode.SERVICE_RESTART, "The server is shutting down. Reconnect now."
        if not self.hub.started.is_set():
            return CloseCode.TRY_AGAIN_LATER, "The server is starting. Try again in a few seconds."
        if len(self.hub.clients) >= self.settings.total:
            return CloseCode.TRY_AGAIN_LATER, f"Limit exceeded: {self.settings.total} connections."
        return None, ""

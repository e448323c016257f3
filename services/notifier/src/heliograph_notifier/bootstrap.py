"""Wires the notifier: the only place here that names concrete adapters."""

from __future__ import annotations

from collections.abc import Sequence

from heliograph_common.auth.tokens import TokenVerifier
from heliograph_common.bus.ordered import OrderedReader
from heliograph_common.contracts import subjects
from heliograph_common.errors import BusUnavailable
from heliograph_common.runtime.backbone import connect_bus
from heliograph_common.runtime.health import Health
from heliograph_common.runtime.lifecycle import Component
from heliograph_common.telemetry import metrics
from heliograph_common.telemetry.asgi import TelemetryMiddleware
from heliograph_notifier.app import App
from heliograph_notifier.fanout.feed import Feed
from heliograph_notifier.fanout.hub import Hub, Ring
from heliograph_notifier.fanout.replay import Replay
from heliograph_notifier.settings import NotifierSettings
from heliograph_notifier.transports.admission import Admission
from heliograph_notifier.transports.server import EventServer

NAME = "notifier"


async def build(settings: NotifierSettings, health: Health) -> Sequence[Component]:
    """The notifier's components in the order of their start; the last is the ``EventServer``."""
    sockets = settings.sockets
    bus = connect_bus(NAME, settings, health)
    reader = OrderedReader(bus, subjects.EVENTS_STREAM, subjects.EVENT_SUBJECTS)
    hub = Hub(Ring(sockets.ring_events, sockets.ring_bytes))
    replay = Replay(hub, reader, concurrent=sockets.replays, stall=sockets.stall_seconds)
    feed = Feed(hub, reader, warm=sockets.ring_events, tell_reset=replay.reset)
    admission = Admission(hub, replay, TokenVerifier(settings.auth), sockets)
    app = App(admission, old_clients=settings.compat.enabled)
    metrics.socket_queue_bytes.set_function(hub.queued_bytes)

    async def following() -> None:
        # Until the ring is warm a client could not be resumed; later a lag shows that this process cannot keep up.
        if not hub.started.is_set():
            raise BusUnavailable("the events have not been read yet")
        if feed.pending > sockets.ring_events:
            raise BusUnavailable(f"{feed.pending} events behind the stream")

    health.register("events", following)
    return [bus, feed, EventServer(TelemetryMiddleware(app), hub, settings.http, sockets)]

"""What the notifier reads beside the settings of every service: ``HELIOGRAPH_SOCKETS__<FIELD>``."""

from __future__ import annotations

from pydantic import BaseModel, Field

from heliograph_common.settings import AuthSettings, CompatSettings, ServiceSettings

_MIB = 1024 * 1024


class SocketSettings(BaseModel):
    """Limits of client connections. Sizes are bytes, times seconds."""

    queue_bytes: int = Field(
        _MIB, ge=1024, description="Maximum number of bytes queued for a client before it is disconnected as slow."
    )
    queue_events: int = Field(500, ge=1, description="Maximum number of events queued for a client.")
    ring_bytes: int = Field(
        64 * _MIB, ge=0, description="Bytes of recent events kept in memory for reconnecting clients."
    )
    ring_events: int = Field(50_000, ge=1, description="Maximum number of recent events kept in memory.")
    replays: int = Field(8, ge=1, description="Maximum number of concurrent replays from the stream.")
    total: int = Field(10_000, ge=1, description="Maximum number of connections per process.")
    per_principal: int = Field(100, ge=1, description="Maximum number of connections per token subject and process.")
    frame_bytes: int = Field(64 * 1024, ge=256, description="Maximum size of a frame of a client, in bytes.")
    frames_per_minute: int = Field(120, ge=1, description="Maximum number of frames per minute of a client.")
    auth_seconds: float = Field(10.0, gt=0, description="Seconds in which the first frame must authenticate.")
    ping_seconds: float = Field(20.0, gt=0, description="Seconds between WebSocket pings, and time limit of the pong.")
    heartbeat_seconds: float = Field(15.0, gt=0, description="Seconds between comments on a quiet SSE stream.")
    stall_seconds: float = Field(30.0, gt=0, description="Seconds a client may take to read one chunk of a replay.")
    abort_seconds: float = Field(5.0, gt=0, description="Seconds a closed connection has to read pending data.")
    origins: list[str] = Field(
        [],
        description='Origins allowed to connect from a browser in addition to the own host, such as "https://x.org".',
    )
    drain_notice_seconds: float = Field(
        2.0, ge=0, description="Seconds between the draining frame and the first disconnect."
    )
    drain_spread_seconds: float = Field(10.0, ge=0, description="Seconds over which disconnects are spread.")


class NotifierSettings(ServiceSettings):
    """All settings of the notifier."""

    auth: AuthSettings = AuthSettings()
    sockets: SocketSettings = SocketSettings()
    compat: CompatSettings = CompatSettings()

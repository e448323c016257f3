"""What the notifier reads beside the settings of every service: ``HELIOGRAPH_SOCKETS__<FIELD>``."""

from __future__ import annotations

from pydantic import BaseModel, Field

from heliograph_common.settings import AuthSettings, CompatSettings, ServiceSettings

_MIB = 1024 * 1024


class SocketSettings(BaseModel):
    """Limits of connections. Sizes are bytes, times seconds."""

    queue_bytes: int = Field(
        _MIB, ge=1024, description="Bytes that may wait for one client before it is closed as slow."
    )
    queue_events: int = Field(500, ge=1, description="Events that may wait for one client.")
    ring_bytes: int = Field(
        64 * _MIB, ge=0, description="Bytes of recent events kept in memory for clients that come back."
    )
    ring_events: int = Field(50_000, ge=1, description="Recent events kept in memory.")
    replays: int = Field(8, ge=1, description="Clients for whom the stream is read at one time.")
    total: int = Field(10_000, ge=1, description="Connections of this process.")
    per_principal: int = Field(100, ge=1, description="Connections of one token subject to this process.")
    frame_bytes: int = Field(64 * 1024, ge=256, description="Bytes of the largest frame taken from a client.")
    frames_per_minute: int = Field(120, ge=1, description="Frames taken from one client.")
    auth_seconds: float = Field(10.0, gt=0, description="Seconds until the first frame must have brought a token.")
    ping_seconds: float = Field(20.0, gt=0, description="Seconds between WebSocket pings, and to answer one.")
    heartbeat_seconds: float = Field(15.0, gt=0, description="Seconds between comments on a quiet SSE stream.")
    stall_seconds: float = Field(30.0, gt=0, description="Seconds a client may take to read one chunk of a replay.")
    abort_seconds: float = Field(
        5.0, gt=0, description="Seconds a closed connection gets to read what was written to it."
    )
    origins: list[str] = Field([], description='Allowed Origin headers beside the own host, such as "https://x.org".')
    drain_notice_seconds: float = Field(2.0, ge=0, description="Seconds from the draining frame to the first close.")
    drain_spread_seconds: float = Field(
        10.0, ge=0, description="Seconds over which closes, and reconnects, are spread."
    )


class NotifierSettings(ServiceSettings):
    """All that the notifier reads."""

    auth: AuthSettings = AuthSettings()
    sockets: SocketSettings = SocketSettings()
    compat: CompatSettings = CompatSettings()

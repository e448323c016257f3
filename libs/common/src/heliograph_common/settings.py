"""Settings shared by all services. Each field reads ``HELIOGRAPH_<GROUP>__<FIELD>`` from the environment, or the file
that ``HELIOGRAPH_<GROUP>__<FIELD>_FILE`` names (for mounted secrets). A service's ``settings.py`` adds its groups."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from heliograph_common.limits import Limits

PREFIX = "HELIOGRAPH_"

_LIMITS = Limits()


class NatsSettings(BaseModel):
    """Where NATS is and who we are there."""

    url: str = Field(
        "nats://127.0.0.1:4222", description="Addresses of the servers, separated by commas; `tls://` encrypts."
    )
    user: str | None = Field(None, description="User name; none connects without one.")
    password: SecretStr | None = Field(None, description="Password of that user.")
    replicas: int = Field(1, ge=1, le=5, description="Replicas of each stream; 3 in production.")
    ca_file: Path | None = Field(
        None, description="Path of the certificates (PEM) that the servers' certificates are checked against."
    )
    ack_wait: float = Field(30.0, gt=0, description="Seconds a delivery may go without a sign of life.")
    work_bytes: int = Field(
        512 * 1024 * 1024, ge=1, description="Bytes reserved for work that waits; when full, it waits in PostgreSQL."
    )
    events_bytes: int = Field(
        1024 * 1024 * 1024, ge=1, description="Bytes reserved for events; when full, the oldest are dropped."
    )
    dead_bytes: int = Field(
        128 * 1024 * 1024, ge=1, description="Bytes reserved for dead letters; when full, the oldest are dropped."
    )


class DatabaseSettings(BaseModel):
    """Where PostgreSQL is; the URL has the form ``postgresql+psycopg://user:password@host:port/database``."""

    url: SecretStr = Field(
        SecretStr("postgresql+psycopg://heliograph@127.0.0.1:5432/heliograph"),
        description="Address of the database, with user and password, and libpq's options such as `sslmode`.",
    )
    pool_size: int = Field(10, ge=1, description="Connections that one process keeps open at most.")
    connect_timeout: float = Field(
        5.0, gt=0, description="Seconds to connect, all hosts of the URL together, or to wait for one of the pool."
    )
    statement_timeout: float = Field(
        15.0, gt=0, description="Seconds a statement may take; maintenance and migrations have limits of their own."
    )
    lock_timeout: float = Field(10.0, gt=0, description="Seconds a statement may wait for a lock.")
    idle_transaction: float = Field(
        10.0, gt=0, description="Seconds a transaction may stand still before PostgreSQL ends it and frees its locks."
    )
    tcp_timeout: float = Field(
        8.0, gt=0, description="Seconds after which a server whose machine acknowledges nothing counts as gone."
    )


class S3Settings(BaseModel):
    """The object store. ``public_endpoint`` is the address that clients use in signed URLs where it differs."""

    endpoint: str = Field("http://127.0.0.1:9000", description="URL of the object store, as services reach it.")
    public_endpoint: str | None = Field(
        None, description="URL of the object store in signed URLs, as clients reach it; none takes `endpoint`."
    )
    access_key: str = Field("", description="Access key id.")
    secret_key: SecretStr = Field(SecretStr(""), description="Secret access key.")
    bucket: str = Field("heliograph", description="Name of the bucket; created where it is missing.")
    region: str = Field("us-east-1", description="Region that requests and signed URLs are signed for.")
    signed_url_seconds: int = Field(3600, ge=1, le=604_800, description="Seconds that a signed URL stays valid.")
    connections: int = Field(16, ge=1, description="Requests to the object store at one time.")


class AuthSettings(BaseModel):
    """How bearer tokens are checked: an HS256 secret of at least 32 bytes, or the URL of a JSON Web Key Set."""

    secret: SecretStr | None = Field(
        None, description="Shared secret that signs tokens (HS256), 32 bytes or more; set this or `jwks_url`."
    )
    jwks_url: str | None = Field(
        None, description="URL of the issuer's JSON Web Key Set (RS256, ES256, EdDSA); set this or `secret`."
    )
    issuer: str = Field("heliograph", description="Required `iss` claim of tokens.")
    audience: str = Field("heliograph", description="Required `aud` claim of tokens.")
    leeway: float = Field(10.0, ge=0, description="Seconds of clock difference that are forgiven.")


class HttpSettings(BaseModel):
    """Addresses to listen on: ``port`` for clients, ``management_port`` for probes and metrics."""

    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` for all.")
    port: int = Field(8080, description="Port for clients.")
    management_port: int = Field(9090, description="Port for probes and metrics.")


class TelemetrySettings(BaseModel):
    """Where traces go: the base URL of an OTLP/HTTP receiver; without one spans are made but not exported."""

    otlp_endpoint: str | None = Field(
        None, description="Base URL of an OTLP/HTTP receiver for traces; none exports no traces."
    )


class LogSettings(BaseModel):
    """How logs look."""

    format: Literal["json", "console"] = Field(
        "json", description="One JSON object a line, or text for people to read."
    )
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The lowest level that is logged.")


class LimitSettings(BaseModel):
    """What a picture may cost, and when one owner has more of them than others should wait for."""

    file_bytes: int = Field(_LIMITS.max_bytes, ge=1, description="Bytes of one file.")
    pixels: int = Field(_LIMITS.max_pixels, ge=1, description="Pixels of one picture, frames summed.")
    frames: int = Field(_LIMITS.max_frames, ge=1, description="Frames of one picture.")
    files_per_request: int = Field(10, ge=1, description="Files of one multipart request.")
    waiting_before_low: int = Field(
        100, ge=0, description="Pictures of one owner that may wait; the next ones are queued at low priority."
    )


class CompatSettings(BaseModel):
    """The routes of the systems that Heliograph replaces (docs/guides/older-clients.md)."""

    enabled: bool = Field(True, description="Whether these routes exist.")


class ServiceSettings(BaseSettings):
    """What every service reads."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="ignore")

    environment: Literal["development", "production"] = Field(
        "production", description="Kind of installation; services behave the same in both."
    )
    render_source: Literal["nats", "postgresql"] = Field(
        "nats",
        description="Where thumbnailers take work from; `postgresql` leaves NATS out. Set it for all services alike.",
    )
    drain_seconds: float = Field(25.0, gt=0, description="Seconds between SIGTERM and exit at most.")
    nats: NatsSettings = NatsSettings()
    database: DatabaseSettings = DatabaseSettings()
    s3: S3Settings = S3Settings()
    http: HttpSettings = HttpSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    log: LogSettings = LogSettings()

    def held_back(self) -> str | None:
        """The prefix of subjects that stay in the outbox, for ``messaging.relay.Relay``."""
        return "work.render." if self.render_source == "postgresql" else None

    @field_validator("render_source", mode="before")
    @classmethod
    def _former_name(cls, value: object) -> object:
        return "postgresql" if value == "outbox" else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then files named by ``*_FILE``."""
        return init_settings, env_settings, _FileSource(settings_cls, os.environ)


class _FileSource(PydanticBaseSettingsSource):
    """Reads ``HELIOGRAPH_X__Y_FILE=/run/secrets/y`` as the value of ``x.y``, without its trailing newline."""

    def __init__(self, settings_cls: type[BaseSettings], environment: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._environment = environment

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # never called: __call__ builds all values at once

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for variable, path in self._environment.items():
            if variable.startswith(PREFIX) and variable.endswith("_FILE") and "__" in variable:
                group, field = variable.removeprefix(PREFIX).removesuffix("_FILE").lower().split("__", 1)
                if group in self.settings_cls.model_fields and field != "ca":
                    values.setdefault(group, {})[field] = Path(path).read_text(encoding="utf-8").rstrip("\n")
        return values

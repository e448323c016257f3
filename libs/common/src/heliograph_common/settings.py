"""Settings shared by all services. Each field reads ``HELIOGRAPH_<GROUP>__<FIELD>`` from the environment, or a file
with a secret (``setting_sources``). A service's ``settings.py`` adds its groups."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from heliograph_common.limits import Limits
from heliograph_common.setting_sources import PREFIX, FolderFiles, NamedFiles, OlderVariables

_LIMITS = Limits()


class NatsSettings(BaseModel):
    """Connection to NATS, and the size of its streams."""

    url: str = Field(
        "nats://127.0.0.1:4222", description="URLs of the servers, separated by commas; `tls://` enables encryption."
    )
    user: str | None = Field(None, description="User name. If not set, connects without credentials.")
    password: SecretStr | None = Field(None, description="Password of the user.")
    replicas: int = Field(1, ge=1, le=5, description="Replicas of each stream; 3 in production.")
    ca_file: Path | None = Field(None, description="Path of the CA certificates (PEM) that verify the servers.")
    ack_wait: float = Field(
        30.0, gt=0, description="Seconds without a sign of life after which a message is redelivered."
    )
    work_bytes: int = Field(
        512 * 1024 * 1024,
        ge=1,
        description="Bytes reserved for the work stream. When it is full, work waits in PostgreSQL.",
    )
    events_bytes: int = Field(
        1024 * 1024 * 1024,
        ge=1,
        description="Bytes reserved for the event stream. When it is full, the oldest events are dropped.",
    )
    dead_bytes: int = Field(
        128 * 1024 * 1024, ge=1, description="Bytes reserved for dead letters. When full, the oldest are dropped."
    )


class DatabaseSettings(BaseModel):
    """Connection to PostgreSQL. The URL has the form ``postgresql+psycopg://user:password@host:port/database``."""

    url: SecretStr = Field(
        SecretStr("postgresql+psycopg://heliograph@127.0.0.1:5432/heliograph"),
        description="URL of the database, with user, password and libpq options such as `sslmode`.",
    )
    pool_size: int = Field(10, ge=1, description="Maximum number of connections per process.")
    connect_timeout: float = Field(
        5.0, gt=0, description="Seconds to connect, over all hosts of the URL, or to wait for a pooled connection."
    )
    statement_timeout: float = Field(
        15.0,
        gt=0,
        description="Time limit of a statement, in seconds. Maintenance and migrations have their own limits.",
    )
    lock_timeout: float = Field(10.0, gt=0, description="Seconds that a statement waits for a lock.")
    idle_transaction: float = Field(
        10.0, gt=0, description="Seconds that a transaction may be idle before PostgreSQL terminates it."
    )
    tcp_timeout: float = Field(
        8.0, gt=0, description="Seconds without TCP acknowledgements after which a connection is closed."
    )


class S3Settings(BaseModel):
    """The object store. ``public_endpoint`` is the address that clients use in signed URLs where it differs."""

    endpoint: str = Field("http://127.0.0.1:9000", description="URL of the object store for services.")
    public_endpoint: str | None = Field(
        None, description="URL of the object store for clients, used in signed URLs. Defaults to `endpoint`."
    )
    access_key: str = Field("", description="Access key ID.")
    secret_key: SecretStr = Field(SecretStr(""), description="Secret access key.")
    bucket: str = Field("heliograph", description="Bucket name. The bucket is created if it does not exist.")
    region: str = Field("us-east-1", description="Region used to sign requests and URLs.")
    signed_url_seconds: int = Field(3600, ge=1, le=604_800, description="Lifetime of signed URLs, in seconds.")
    connections: int = Field(16, ge=1, description="Maximum number of concurrent requests to the object store.")


class AuthSettings(BaseModel):
    """Verification of bearer tokens: an HS256 secret of at least 32 bytes, or the URL of a JSON Web Key Set."""

    secret: SecretStr | None = Field(
        None, description="Shared secret of HS256 tokens, at least 32 bytes. Mutually exclusive with `jwks_url`."
    )
    jwks_url: str | None = Field(None, description="URL of the issuer's JSON Web Key Set (RS256, ES256, EdDSA).")
    issuer: str = Field("heliograph", description="Required `iss` claim of tokens.")
    audience: str = Field("heliograph", description="Required `aud` claim of tokens.")
    leeway: float = Field(10.0, ge=0, description="Tolerated clock skew, in seconds.")


class HttpSettings(BaseModel):
    """Listen addresses: ``port`` for clients, ``management_port`` for probes and metrics."""

    host: str = Field("127.0.0.1", description="Listen address. Use `0.0.0.0` for all interfaces.")
    port: int = Field(8080, description="Port for clients.")
    management_port: int = Field(9090, description="Port for probes and metrics.")


class TelemetrySettings(BaseModel):
    """Export of traces over OTLP/HTTP."""

    otlp_endpoint: str | None = Field(
        None, description="Base URL of an OTLP/HTTP receiver. If not set, traces are not exported."
    )


class LogSettings(BaseModel):
    """Format and level of logs."""

    format: Literal["json", "console"] = Field(
        "json", description="Log format: one JSON object per line, or readable text."
    )
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Minimum log level.")


class LimitSettings(BaseModel):
    """Limits of uploads, and of the images that one owner may have waiting."""

    file_bytes: int = Field(_LIMITS.max_bytes, ge=1, description="Maximum size of a file, in bytes.")
    pixels: int = Field(
        _LIMITS.max_pixels, ge=1, description="Maximum number of pixels of an image, summed over its frames."
    )
    frames: int = Field(_LIMITS.max_frames, ge=1, description="Maximum number of frames of an image.")
    files_per_request: int = Field(10, ge=1, description="Maximum number of files in a multipart request.")
    waiting_before_low: int = Field(
        100, ge=0, description="Waiting images of one owner above which uploads are queued at low priority."
    )


class ImportSettings(BaseModel):
    """Imports (docs/guides/imports.md)."""

    token_keys: SecretStr | None = Field(
        None,
        description="Keys that encrypt users' provider tokens: 32 bytes in URL-safe Base64 each, separated by commas. The "
        "first encrypts, all decrypt. Must be the same for gateway and importer. If not set, such tokens are rejected.",
    )
    keep_days: float = Field(90.0, gt=0, description="Days after its end for which an import is kept; images stay.")


class WordSettings(BaseModel):
    """Words and their pictures."""

    requests_per_hour: int = Field(
        25, ge=1, le=100_000, description="Requests per hour to the photo provider, over the whole installation."
    )
    pictures: Literal["linked", "stored"] = Field(
        "linked",
        description="`linked` shows pictures from their provider, as Unsplash asks; `stored` also keeps a copy of each and "
        "renders it.",
    )
    owner: str = Field("words", min_length=1, max_length=200, description="Owner of the stored pictures.")
    recent_days: int = Field(7, ge=1, le=3_650, description="Days for which a word counts as recent.")
    populate_minutes: float = Field(30.0, gt=0, description="Minutes between two runs of the populator.")
    miss_days: float = Field(30.0, gt=0, description="Days after which a word without a picture is searched again.")
    placeholders: bool = Field(
        False, description="Give words for which no provider has a picture a generated placeholder."
    )


class CompatSettings(BaseModel):
    """Compatibility routes for older clients (docs/guides/older-clients.md)."""

    enabled: bool = Field(True, description="Serve the compatibility routes.")


class StartSettings(BaseSettings):
    """What a process needs while it waits for files with secrets; therefore it reads none itself."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="ignore",
        hide_input_in_errors=True,  # a value that is not valid may be a secret all the same
    )

    startup_grace_seconds: float = Field(
        60.0,
        ge=0,
        description="Seconds from the start in which a service waits for files that `…_FILE` variables name.",
    )
    drain_seconds: float = Field(25.0, gt=0, description="Maximum number of seconds between SIGTERM and exit.")
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then its older names."""
        return init_settings, env_settings, OlderVariables(settings_cls)


class ServiceSettings(StartSettings):
    """Settings that every service reads.

    Raises:
        SecretsMissing: a file that a variable names is not there (yet).
    """

    environment: Literal["development", "production"] = Field(
        "production", description="Kind of installation. Services behave the same in both."
    )
    render_source: Literal["nats", "postgresql"] = Field(
        "nats",
        description="Source of render work; `postgresql` bypasses NATS. Must be the same for all services.",
    )
    nats: NatsSettings = NatsSettings()
    database: DatabaseSettings = DatabaseSettings()
    s3: S3Settings = S3Settings()
    telemetry: TelemetrySettings = TelemetrySettings()

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
        """Arguments first, then the environment, files named by ``*_FILE``, the folder of secrets, older names."""
        return (
            init_settings,
            env_settings,
            NamedFiles(settings_cls),
            FolderFiles(settings_cls),
            OlderVariables(settings_cls),
        )

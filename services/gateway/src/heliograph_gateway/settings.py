"""The gateway's settings: those of every service, token checks, limits and its own."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from heliograph_common.settings import AuthSettings, CompatSettings, LimitSettings, ServiceSettings


class GatewayOwnSettings(BaseModel):
    """What only the gateway has."""

    body_timeout_seconds: float = Field(30.0, gt=0, description="Seconds a request body may make no progress.")
    cors_origins: list[str] = Field([], description="Origins whose pages may call the API; none by default.")
    analysis_profiles: list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]] = Field(
        [],
        description="Profiles that clients may ask for with `analyze`. Name one once an analyzer takes it: until then its "
        "commands wait in the stream WORK, and images with it stay short of 100 percent.",
    )
    apply_waiting: int = Field(200, ge=1, description="Renders into new sizes that may wait at one time.")
    apply_seconds: float = Field(2.0, gt=0, description="Seconds between two looks for whether more may.")
    upload_seconds: float = Field(
        86_400.0, gt=0, description="Seconds an unfinished direct or resumable upload is kept, finished ones included."
    )
    batch_files: int = Field(100, ge=1, description="Direct uploads that one request may create or complete.")
    completing: int = Field(
        8, ge=1, description="Direct uploads checked at one time; each may take `limits.file_bytes` of temporary disk."
    )
    collect_after_days: float = Field(7.0, gt=0, description="Days that a deleted image keeps its files.")
    collect_seconds: float = Field(600.0, gt=0, description="Seconds between two looks for files to collect.")
    check_hours: float = Field(
        24.0, ge=0, description="Hours between two checks with repair that start by themselves; 0: none do."
    )
    reconcile_seconds: float = Field(
        60.0, gt=0, description="Seconds between two looks for work that has no command left."
    )


class GatewayCompatSettings(CompatSettings):
    """The routes of the systems that Heliograph replaces (docs/guides/older-clients.md)."""

    anonymous_owner: str = Field(
        "",
        max_length=255,
        description="Who owns what callers without a token upload and see on these routes, and on no others. Empty "
        "answers them 401. Set it only where everyone who reaches the gateway may do all of that.",
    )

    @field_validator("anonymous_owner")
    @classmethod
    def _is_a_subject(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("must be printable, as a token's subject")
        return value


class RatePolicy(BaseModel):
    """``quota`` requests in ``window_seconds`` for as long as one likes, and ``burst`` of them at once after a pause."""

    model_config = ConfigDict(frozen=True)

    quota: int = Field(ge=1, description="Requests in each window, for as long as one likes.")
    window_seconds: int = Field(1, ge=1, description="Seconds of a window.")
    burst: int = Field(ge=1, description="Requests at once after a pause.")


class RateLimitSettings(BaseModel):
    """How many requests of one caller to one route pass, through all replicas together (docs/guides/rate-limits.md)."""

    enabled: bool = Field(True, description="Whether requests are limited.")
    default: RatePolicy | None = Field(
        RatePolicy(quota=500, burst=2000), description="For routes that nothing below fits; null leaves them unlimited."
    )
    routes: dict[str, RatePolicy | None] = Field(
        {},
        validate_default=True,
        description="By method and path as in /openapi.json, `*` for anything: `POST /v1/images`, `* /v1/dead-letters*`. "
        "Of several that fit, the one with most letters counts. Joins those that are built in, or takes their place.",
    )

    @field_validator("routes")
    @classmethod
    def _join(cls, value: dict[str, RatePolicy | None]) -> dict[str, RatePolicy | None]:
        return {**ROUTE_POLICIES, **value}

    def policy(self, route: str) -> RatePolicy | None:
        """For a route such as ``POST /v1/images``; ``None``: it has no limit."""
        fitting = [pattern for pattern in self.routes if fnmatchcase(route, pattern)]
        return self.routes[max(fitting, key=_letters)] if fitting else self.default

    def for_nothing(self, routes: Collection[str]) -> list[str]:
        """The patterns that fit none of ``routes``."""
        return [pattern for pattern in self.routes if not any(fnmatchcase(route, pattern) for route in routes)]


ROUTE_POLICIES: dict[str, RatePolicy | None] = {
    "POST *": RatePolicy(quota=100, burst=1000),  # uploads of every kind, retries: each makes work for others
    "* /v1/dead-letters*": RatePolicy(quota=50, burst=500),
    "* /v1/quarantine*": RatePolicy(quota=50, burst=500),
    "* /v1/admin/*": RatePolicy(quota=50, burst=500),
    "* /v1/settings/*": RatePolicy(quota=50, burst=500),
}
"""Built in: what ``RateLimitSettings.routes`` has beside what is set."""


def _letters(pattern: str) -> int:
    return len(pattern.replace("*", ""))


class GatewaySettings(ServiceSettings):
    """All that the gateway reads."""

    auth: AuthSettings = AuthSettings()
    limits: LimitSettings = LimitSettings()
    gateway: GatewayOwnSettings = GatewayOwnSettings()
    compat: GatewayCompatSettings = GatewayCompatSettings()
    rate_limits: RateLimitSettings = RateLimitSettings()

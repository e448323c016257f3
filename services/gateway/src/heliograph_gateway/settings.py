"""The gateway's settings: those of every service, token checks, limits and its own."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from heliograph_common.settings import (
    AuthSettings,
    CompatSettings,
    ImportSettings,
    LimitSettings,
    ServiceSettings,
    WordSettings,
)


class GatewayOwnSettings(BaseModel):
    """Settings of the gateway alone."""

    body_timeout_seconds: float = Field(
        30.0, gt=0, description="Seconds without progress after which reading a request body is aborted."
    )
    cors_origins: list[str] = Field([], description="Origins allowed to call the API from a browser.")
    analysis_profiles: list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]] = Field(
        ["describe", "food"],
        description="Analysis profiles that clients may request. Analyses wait while no analyzer has credentials of a "
        "model, and the progress of their images stays below 100. List only profiles of the analyzer. An empty list "
        "disables analyses.",
    )
    analysis_waits: int = Field(
        200,
        ge=0,
        description="Maximum number of requests that wait for the end of an analysis at a time (`Prefer: wait`). Further "
        "ones are answered at once.",
    )
    apply_waiting: int = Field(200, ge=1, description="Maximum number of waiting renders into new display sizes.")
    apply_seconds: float = Field(2.0, gt=0, description="Seconds between checks whether more renders may be queued.")
    upload_seconds: float = Field(
        86_400.0, gt=0, description="Lifetime of direct and resumable uploads, finished or not, in seconds."
    )
    batch_files: int = Field(
        100, ge=1, description="Maximum number of direct uploads that a request creates or completes."
    )
    urls_per_import: int = Field(10_000, ge=1, description="Maximum number of URLs of an import.")
    active_imports: int = Field(50, ge=1, description="Maximum number of unfinished imports of one owner.")
    completing: int = Field(
        8, ge=1, description="Direct uploads verified concurrently; each may use `limits.file_bytes` of temporary disk."
    )
    collect_after_days: float = Field(7.0, gt=0, description="Days before the files of a deleted image are removed.")
    collect_seconds: float = Field(600.0, gt=0, description="Seconds between searches for files to remove.")
    check_hours: float = Field(24.0, ge=0, description="Hours between automatic checks with repair; 0 disables them.")
    reconcile_seconds: float = Field(60.0, gt=0, description="Seconds between searches for work without a command.")


class GatewayCompatSettings(CompatSettings):
    """Compatibility routes for older clients (docs/guides/older-clients.md)."""

    anonymous_owner: str = Field(
        "",
        max_length=255,
        description="Owner of the images of callers without a token, on these routes only. Empty rejects such callers with "
        "401; otherwise anyone who reaches the gateway may upload and read this owner's images.",
    )

    metrics: bool = Field(
        False,
        description="Serve the metrics of the gateway at `GET /metrics` of its public port too, to anyone who reaches it. "
        "They name routes and counts, and no owner.",
    )

    @field_validator("anonymous_owner")
    @classmethod
    def _is_a_subject(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("must be printable, as a token's subject")
        return value


class FoodSettings(BaseModel):
    """Food diaries of clients of the older food service (docs/guides/older-clients.md)."""

    wait_seconds: float = Field(
        30.0, gt=0, le=120, description="Seconds for which `POST /analyze-food` waits for the end of the analysis."
    )
    user_service_url: str = Field(
        "",
        pattern=r"^(https?://[^\s]+)?$",
        description="Base URL of the user service that keeps food entries (`PUT /entries/{id}`). Empty keeps them in the "
        "database alone.",
    )
    user_service_token: SecretStr | None = Field(None, description="Bearer token for the user service.")
    user_service_seconds: float = Field(
        5.0,
        gt=0,
        le=60,
        description="Time limit of a request to the user service, in seconds. It is sent three times at most.",
    )
    deliver_seconds: float = Field(
        30.0, gt=0, description="Seconds between deliveries of food entries that the user service has not received."
    )


class RatePolicy(BaseModel):
    """A sustained rate of ``quota`` requests per ``window_seconds``, and ``burst`` of them at once after a pause."""

    model_config = ConfigDict(frozen=True)

    quota: int = Field(ge=1, description="Sustained number of requests per window.")
    window_seconds: int = Field(1, ge=1, description="Length of the window, in seconds.")
    burst: int = Field(ge=1, description="Number of requests allowed at once after a pause.")


class RateLimitSettings(BaseModel):
    """Limits of requests per caller and route, over all replicas (docs/guides/rate-limits.md)."""

    enabled: bool = Field(True, description="Enable rate limits.")
    default: RatePolicy | None = Field(
        RatePolicy(quota=500, burst=2000),
        description="Limit of routes that match no pattern of `routes`; null is unlimited.",
    )
    routes: dict[str, RatePolicy | None] = Field(
        {},
        validate_default=True,
        description="Limits by method and path of /openapi.json, `*` matches any: `POST /v1/images`, `* /v1/dead-letters*`. "
        "The most specific pattern applies. Entries extend or override the built-in ones.",
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
    "PUT /v1/words": RatePolicy(quota=1, burst=60),  # up to 30,000 words each
    "POST /v1/words/sync": RatePolicy(quota=1, window_seconds=10, burst=10),  # each looks at all words
    "POST /api/images/populate-queue": RatePolicy(quota=1, window_seconds=10, burst=10),
}
"""Built in: what ``RateLimitSettings.routes`` has beside what is set."""


def _letters(pattern: str) -> int:
    return len(pattern.replace("*", ""))


class GatewaySettings(ServiceSettings):
    """All settings of the gateway."""

    auth: AuthSettings = AuthSettings()
    limits: LimitSettings = LimitSettings()
    imports: ImportSettings = ImportSettings()
    gateway: GatewayOwnSettings = GatewayOwnSettings()
    compat: GatewayCompatSettings = GatewayCompatSettings()
    food: FoodSettings = FoodSettings()
    words: WordSettings = WordSettings()
    rate_limits: RateLimitSettings = RateLimitSettings()

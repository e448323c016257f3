"""The application over fakes, called in process."""

from __future__ import annotations

from typing import Any, cast

import httpx2
import pytest
from tests.unit.gateway.support import Connect, Failing, Scopes, no_lags

from heliograph_common.auth.tokens import TokenVerifier
from heliograph_common.blobs.port import Blobs
from heliograph_common.db.engine import Database
from heliograph_common.ingest.accept import Ingest
from heliograph_common.messaging.transaction import Messenger
from heliograph_common.ratelimit.port import RateLimits
from heliograph_common.runtime.health import Health
from heliograph_common.settings import LimitSettings
from heliograph_common.testing.blobs import MemoryBlobs
from heliograph_common.testing.ratelimit import MemoryRateLimits
from heliograph_gateway.access.caller import Callers
from heliograph_gateway.app import api, build_app
from heliograph_gateway.catalog.retries import Retries
from heliograph_gateway.dead_letters.ports import DeadLetterStore
from heliograph_gateway.http.services import Services
from heliograph_gateway.idempotency.queries import IdempotencyKeys
from heliograph_gateway.queue.service import Queue
from heliograph_gateway.settings import GatewaySettings, RateLimitSettings
from heliograph_gateway.uploads.direct.service import DirectUploads
from heliograph_gateway.uploads.form.service import FormUploads
from heliograph_gateway.uploads.tus.service import ResumableUploads


@pytest.fixture
def connect() -> Connect:
    """A client of an application in which every server raises ``error``: ``connect(error, caller=…, cors_origins=…)``."""

    def make(
        error: Exception | None = None,
        *,
        caller: str = "ann|images:read images:write",
        guarded: bool = True,
        buckets: MemoryRateLimits | None = None,
        rate_limits: RateLimitSettings | None = None,
        **own: Any,
    ) -> httpx2.AsyncClient:
        settings = GatewaySettings()
        settings.gateway = settings.gateway.model_copy(update={"batch_files": 3, "completing": 2, **own})
        settings.rate_limits = rate_limits or settings.rate_limits
        failing = Failing(error or AssertionError("no server is needed here"))
        database, messenger, ingest = cast("Database", failing), cast("Messenger", failing), cast("Ingest", failing)
        blobs, limits, own_settings = MemoryBlobs(), LimitSettings(), settings.gateway
        services = Services(
            {
                GatewaySettings: settings,
                Database: database,
                Messenger: messenger,
                Blobs: blobs,
                Callers: Callers(cast("TokenVerifier", Scopes())),
                IdempotencyKeys: IdempotencyKeys(database),
                RateLimits: buckets or MemoryRateLimits(),
                Retries: Retries(messenger, blobs, before_low=100),
                FormUploads: FormUploads(ingest, limits),
                ResumableUploads: ResumableUploads(database, ingest, blobs, limits, own_settings),
                DirectUploads: DirectUploads(database, ingest, blobs, limits, own_settings, signed_url_seconds=60),
                Queue: Queue(database, no_lags),
                DeadLetterStore: failing,
            }
        )
        app = (build_app if guarded else api)(services, Health(), settings)
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app),
            base_url="http://gateway",
            headers={"Authorization": f"Bearer {caller}"} if caller else {},
        )

    return make

"""Makes sources of Google Drive; owns the connections and access tokens that they share."""

from __future__ import annotations

import httpx2

from heliograph_importer.settings import DriveSettings
from heliograph_importer.sources.google_drive.api import DriveApi
from heliograph_importer.sources.google_drive.auth import Authorizations
from heliograph_importer.sources.google_drive.source import DriveSource
from heliograph_importer.sources.port import Budget, Credential, Location

_TIMEOUT = httpx2.Timeout(30.0, connect=10.0, pool=60.0)
_LIMITS = httpx2.Limits(max_connections=64, max_keepalive_connections=32)


class GoogleDrive:
    """See ``port.Provider``."""

    name = "google_drive"

    def __init__(self, settings: DriveSettings) -> None:
        self._authorizations = Authorizations(settings)
        self._http = httpx2.AsyncClient(
            base_url=settings.base_url,
            timeout=_TIMEOUT,
            limits=_LIMITS,
            trust_env=False,
            follow_redirects=False,  # another host would get the API key
            headers={
                "User-Agent": "heliograph-importer (gzip)"
            },  # Google compresses only for those who say so here too
        )

    def source(self, location: Location, credential: Credential | None, budget: Budget) -> DriveSource:
        """See ``port.Provider``."""
        authorization = self._authorizations.of(credential)
        return DriveSource(DriveApi(self._http, authorization, budget), location.link, authorization.remedy)

    async def close(self) -> None:
        """See ``port.Provider``."""
        self._authorizations.close()
        await self._http.aclose()

"""The source of an import: its provider, with its credential and its budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heliograph_common.db.rows import Row
from heliograph_common.ratelimit.port import RateLimits
from heliograph_importer.providers.budget import SharedBudget
from heliograph_importer.providers.credentials import Credentials
from heliograph_importer.sources.port import Location, Missing, Provider, Source


@dataclass(frozen=True)
class Quota:
    """A provider, and how many requests a minute one credential has."""

    provider: Provider
    per_minute: int


class Sources:
    """Makes the sources of imports from their rows."""

    def __init__(self, quotas: Sequence[Quota], credentials: Credentials, limits: RateLimits) -> None:
        self._quotas: Mapping[str, Quota] = {quota.provider.name: quota for quota in quotas}
        self._credentials = credentials
        self._limits = limits

    def of(self, row: Row[Any], *, urls: Sequence[str] = ()) -> Source:
        """The source of an import. ``urls``: the addresses of its list, for whoever lists them.

        Raises:
            CredentialRefused: see ``Credentials.of``.
            Missing: this version knows of no such source.
        """
        quota = self._quotas.get(row.source)
        if quota is None:
            raise Missing(f"this importer has no source {row.source!r}: update it")
        budget = SharedBudget(self._limits, row.budget, per_minute=quota.per_minute)
        location = Location(link=row.location, urls=urls)
        return quota.provider.source(location, self._credentials.of(row), budget)

    async def close(self) -> None:
        """Ends the connections of all providers."""
        for quota in self._quotas.values():
            await quota.provider.close()

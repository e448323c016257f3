"""Lists the ``StreamScaler`` resources now and then, and corrects the store by it.

A watch that was interrupted for too long begins again with a list (410), and kopf does not tell what that lacks; a restart
of the API server is enough for it. And a watch that has ended without a sign is noticed by what it should have told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from heliograph_common.errors import Unavailable
from heliograph_operator.cluster.port import ClusterError, NotFound
from heliograph_operator.resources.store import Store

log = structlog.get_logger(__name__)


class Lists(Protocol):
    """The part of ``Cluster`` that lists."""

    async def scalers(self) -> Sequence[Mapping[str, Any]]:
        """All StreamScalers."""


class Listing:
    """``missed`` is called where the list has what the watch has not told."""

    def __init__(
        self, cluster: Lists, store: Store, missed: Callable[[], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._missed = missed
        self._clock = clock
        self._failure = ""

    async def correct(self) -> None:
        """Lists once."""
        began = self._clock()
        try:
            listed = await self._cluster.scalers()
        except NotFound:  # with the definition, all resources are gone, and no watch tells it
            if dropped := self._store.sync((), began):
                log.warning("StreamScalers are gone with their definition", scalers=list(dropped))
            self._failed("the resource StreamScaler is not installed: apply crds/streamscalers.yaml of the chart")
            return
        except ClusterError as error:
            self._failed(str(error))
            return
        if self._failure:
            log.info("StreamScalers are listed again")
            self._failure = ""
        corrected = self._store.sync(listed, began)
        if corrected:
            log.info("watch had missed changes", scalers=list(corrected))
        present = {scaler.name for scaler in self._store.scalers()}
        if present.intersection(corrected):
            self._missed()

    async def check(self) -> None:
        """For ``Health``: raises while they cannot be listed."""
        if self._failure:
            raise Unavailable(self._failure)

    def _failed(self, reason: str) -> None:
        if not self._failure:  # once for each outage
            log.warning("StreamScalers cannot be listed; trying again", error=reason)
        self._failure = reason

"""Connections to the object store, with limits to how long they may stand still."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import urllib3
import urllib3.connection
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, ReadTimeoutError

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
"""What stands still for longer is not tried again: a client that waits for its answer has waited long enough."""


class Retries(urllib3.Retry):
    """Tries again what broke, and what failed at once; not what stood still for as long as it may."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """What is left after this failure.

        Raises:
            MaxRetryError: nothing.
        """
        stood_still = isinstance(error, ReadTimeoutError) or any(
            isinstance(cause, TimeoutError) for cause in getattr(error, "args", ())
        )
        if stood_still and not isinstance(error, ConnectTimeoutError):
            raise MaxRetryError(_pool, url or "", error)
        return super().increment(method, url, response, error, _pool, _stacktrace)


class _Connection(urllib3.connection.HTTPConnection):
    """urllib3 sends with the timeout of connecting, so that a busy server which takes no bytes for three seconds would
    break a large upload; this sends with that of reading."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_SECONDS)


class _SecureConnection(urllib3.connection.HTTPSConnection):
    """The same over TLS."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_SECONDS)


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Pools(urllib3.PoolManager):
    """Pools of such connections; ``options`` as urllib3's."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

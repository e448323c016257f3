"""Connections to the object store, with limits to how long they may stand still. Used by ``minio.py`` alone."""

from __future__ import annotations

from typing import Any

import urllib3
import urllib3.connection

CONNECT_SECONDS = 3.0
READ_SECONDS = 15.0


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

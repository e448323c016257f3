"""The connection file: how a client on this machine talks to a running stack. Written by the stack, read by the
``heliograph`` command and by tests. It holds tokens and passwords, so only its owner may read it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from heliograph_local.folder import Folder, write_private


@dataclass(frozen=True)
class S3Connection:
    """The object store and the bucket of the stack."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str
    region: str


@dataclass(frozen=True)
class Connection:
    """Addresses and credentials; ``api`` and ``events`` are None when only the servers run."""

    api: str | None
    events: str | None
    token: str = field(repr=False)
    admin_token: str = field(repr=False)
    nats: str = field(repr=False)
    postgres: str = field(repr=False)
    s3: S3Connection
    pids: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def write(self, folder: Folder) -> None:
        write_private(folder.connection, json.dumps(self.as_dict(), indent=2) + "\n")

    @classmethod
    def read(cls, folder: Folder) -> Connection:
        """
        Raises:
            FileNotFoundError: no stack is running in this folder.
        """
        values = json.loads(folder.connection.read_text(encoding="utf-8"))
        return cls(**{**values, "s3": S3Connection(**values["s3"])})

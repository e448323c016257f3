"""Credentials of one stack, made at its first start and kept in ``secrets/`` (one file each, owner only)."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass

from heliograph_local.folder import Folder, write_private

NATS_USER = "heliograph"
DATABASE_USER = "heliograph"
DATABASE = "heliograph"
BUCKET = "heliograph"
REGION = "us-east-1"
ISSUER = "heliograph-local"
AUDIENCE = "heliograph"


@dataclass(frozen=True, repr=False)
class Credentials:
    """Everything secret; URL-safe text throughout, so none needs quoting in a URL or a configuration file."""

    token_secret: str
    database_password: str
    nats_password: str
    s3_access_key: str
    s3_secret_key: str
    token_key: str

    @classmethod
    def load(cls, folder: Folder) -> Credentials:
        """Reads them; makes those that do not exist yet."""
        return cls(
            token_secret=_keep(folder, "token_secret", 48),
            database_password=_keep(folder, "database_password", 24),
            nats_password=_keep(folder, "nats_password", 24),
            s3_access_key=_keep(folder, "s3_access_key", 15),
            s3_secret_key=_keep(folder, "s3_secret_key", 30),
            token_key=_keep_key(folder, "token_key"),
        )


def _keep(folder: Folder, name: str, size: int) -> str:
    path = folder.secrets / name
    if not path.exists():
        # Letters and digits only: NATS would read a value that starts with a digit and ends in "k" as a number unless
        # quoted, S3 clients dislike "-" at the start of an access key.
        write_private(path, "h" + secrets.token_hex(size))
    return path.read_text(encoding="utf-8").strip()


def _keep_key(folder: Folder, name: str) -> str:
    """32 bytes in URL-safe Base64, as ``imports.token_keys`` has them."""
    path = folder.secrets / name
    if not path.exists():
        write_private(path, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    return path.read_text(encoding="utf-8").strip()

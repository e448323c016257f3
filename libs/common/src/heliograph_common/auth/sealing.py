"""Users' tokens for providers, encrypted while they wait in the database (Fernet: AES-128-CBC with HMAC-SHA256).

The gateway seals what a request hands in, an importer opens it. A key is replaced by putting the new one first: the first
encrypts, all decrypt. Leaves out what the secrets mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from heliograph_common.errors import Permanent


class NoKeys(Permanent):
    """Nothing can be sealed or opened: set `imports.token_keys`, the same for gateway and importer."""


class NotOpened(Permanent):
    """What was sealed cannot be opened: put back the key that sealed it into `imports.token_keys`, or hand the secret in
    again."""


class Sealer:
    """Encrypts small JSON objects. ``keys``: as ``ImportSettings.token_keys`` tells; without any, whoever seals or opens
    gets ``NoKeys``.

    Raises:
        ValueError: a key is none; which of them is told, and never the key.
    """

    def __init__(self, keys: SecretStr | None) -> None:
        listed = [] if keys is None else [key.strip() for key in keys.get_secret_value().split(",") if key.strip()]
        self._fernet = MultiFernet([_key(number, key) for number, key in enumerate(listed, 1)]) if listed else None

    @property
    def has_keys(self) -> bool:
        """Whether it can seal."""
        return self._fernet is not None

    def seal(self, secret: Mapping[str, Any]) -> bytes:
        """``secret``, encrypted with the first key.

        Raises:
            NoKeys: there is none.
        """
        return self._keys().encrypt(msgspec.json.encode(dict(secret)))

    def open(self, sealed: bytes) -> dict[str, Any]:
        """What was sealed.

        Raises:
            NoKeys: there is none.
            NotOpened: it was sealed with another key, or changed.
        """
        try:
            opened: dict[str, Any] = msgspec.json.decode(self._keys().decrypt(sealed), type=dict[str, Any])
        except (InvalidToken, msgspec.DecodeError):
            raise NotOpened(
                "the stored token cannot be decrypted: restore the key that encrypted it in `imports.token_keys`, or "
                "send the token again"
            ) from None
        return opened

    def _keys(self) -> MultiFernet:
        if self._fernet is None:
            raise NoKeys("users' tokens are not accepted: set `imports.token_keys` for the gateway and the importer")
        return self._fernet


def _key(number: int, key: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise ValueError(
            f"key {number} of `imports.token_keys` is not 32 bytes in URL-safe Base64: make one with "
            "`openssl rand -base64 32 | tr '+/' '-_'`"
        ) from None

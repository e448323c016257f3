"""With which credential an import asks its provider: a user's own, one of the installation's by name, or its default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from heliograph_common.auth.sealing import Sealer
from heliograph_common.db.rows import Row
from heliograph_common.errors import HeliographError
from heliograph_importer.settings import (
    ImporterSettings,
    NamedApiKey,
    NamedAppKey,
    NamedCredential,
    NamedOAuthToken,
    NamedServiceAccount,
)
from heliograph_importer.sources.port import ApiKey, AppKey, Credential, CredentialRefused, OAuthToken, ServiceAccount

_EVERYONE = "*"


class Credentials:
    """Those of ``settings``, and those that ``sealer`` opens."""

    def __init__(self, settings: ImporterSettings, sealer: Sealer) -> None:
        self._named: Mapping[str, NamedCredential] = settings.credentials.named
        self._sealer = sealer
        self._defaults: Mapping[str, Callable[[], Credential | None]] = {
            "google_drive": lambda: _drive_key(settings),
            "dropbox": lambda: _dropbox_key(settings),
        }

    def of(self, row: Row[Any]) -> Credential | None:
        """The credential of an import; ``None`` where its source has none.

        Raises:
            CredentialRefused: it may not have what it names, or nothing is configured.
        """
        if row.authorization is not None:
            return self._opened(row.authorization)
        if row.budget.startswith(f"{row.source}:token:"):
            raise CredentialRefused("the token of this import was erased when it ended: retry it with a new token")
        if row.credential is not None:
            return self._by_name(row.credential, row.source, row.owner)
        default = self._defaults.get(row.source, lambda: None)()
        if default is None and row.source in self._defaults:
            raise CredentialRefused(
                f"this installation has no credential for {row.source} of its own: name one of its credentials, import "
                "with your own token, or have an administrator configure one"
            )
        return default

    def _opened(self, sealed: bytes) -> OAuthToken:
        try:
            return OAuthToken(**self._sealer.open(sealed))
        except (HeliographError, TypeError) as error:
            raise CredentialRefused(
                "the token of this import cannot be decrypted any more: retry the import with a new token"
            ) from error

    def _by_name(self, name: str, source: str, owner: str) -> Credential:
        found = self._named.get(name)
        if found is None or found.source != source or not {_EVERYONE, owner} & set(found.owners):
            raise CredentialRefused(
                f"there is no credential {name!r} for {source} that you may use: check the name, or ask an administrator"
            )
        return _credential(found.credential)


def _credential(named: NamedApiKey | NamedAppKey | NamedServiceAccount | NamedOAuthToken) -> Credential:
    match named:
        case NamedApiKey():
            return ApiKey(key=named.key.get_secret_value())
        case NamedAppKey():
            return AppKey(key=named.key, secret=named.secret.get_secret_value())
        case NamedServiceAccount():
            return ServiceAccount(info=named.info)
        case NamedOAuthToken():
            return OAuthToken(
                access_token=named.access_token.get_secret_value(),
                refresh_token=named.refresh_token.get_secret_value() if named.refresh_token else None,
                client_id=named.client_id,
                client_secret=named.client_secret.get_secret_value() if named.client_secret else None,
            )


def _drive_key(settings: ImporterSettings) -> Credential | None:
    key = settings.google_drive.api_key
    return ApiKey(key=key.get_secret_value()) if key else None


def _dropbox_key(settings: ImporterSettings) -> Credential | None:
    key, secret = settings.dropbox.app_key, settings.dropbox.app_secret
    return AppKey(key=key, secret=secret.get_secret_value()) if key and secret else None

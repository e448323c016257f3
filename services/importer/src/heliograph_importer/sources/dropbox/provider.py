"""Dropbox as a provider: its connections and threads, and the accounts that are in use."""

from __future__ import annotations

from collections import OrderedDict

from heliograph_importer.settings import DropboxSettings
from heliograph_importer.sources.dropbox.account import Account
from heliograph_importer.sources.dropbox.session import Session
from heliograph_importer.sources.dropbox.source import DropboxSource
from heliograph_importer.sources.dropbox.threads import Threads
from heliograph_importer.sources.port import AppKey, Budget, Credential, CredentialRefused, Location, OAuthToken

_ACCOUNTS = 256
"""Credentials whose access tokens are kept."""


class Dropbox:
    """``threads``: how many requests wait for Dropbox at a time, in this process; more than its slots."""

    name = "dropbox"

    def __init__(self, settings: DropboxSettings, *, threads: int = 16) -> None:
        secret = settings.app_secret
        self._app = (
            AppKey(key=settings.app_key, secret=secret.get_secret_value()) if settings.app_key and secret else None
        )
        self._threads = Threads(threads)
        self._session = Session(api_url=settings.api_url, content_url=settings.content_url, connections=threads)
        self._accounts: OrderedDict[AppKey | OAuthToken, Account] = OrderedDict()

    def source(self, location: Location, credential: Credential | None, budget: Budget) -> DropboxSource:
        """See the port. Without a credential, the application's own reads what is shared by link."""
        chosen = credential or self._app
        if chosen is None:
            raise CredentialRefused(
                "Dropbox needs a credential: configure an app key and secret, or send an OAuth token"
            )
        if isinstance(chosen, AppKey) and "shared_link" not in location.link:
            raise CredentialRefused(
                "an app key can read shared links only: send an OAuth token to import your own folder"
            )
        if not isinstance(chosen, AppKey | OAuthToken):
            raise CredentialRefused("Dropbox does not take this kind of credential: use an app key or an OAuth token")
        return DropboxSource(location, self._account(chosen), budget, self._threads)

    async def close(self) -> None:
        """See the port."""
        self._threads.close()
        self._session.close()

    def _account(self, credential: AppKey | OAuthToken) -> Account:
        """The one of the credential, so that all its imports share one access token."""
        if credential not in self._accounts:
            self._accounts[credential] = self._new(credential)
            if len(self._accounts) > _ACCOUNTS:
                self._accounts.popitem(last=False)
        self._accounts.move_to_end(credential)
        return self._accounts[credential]

    def _new(self, credential: AppKey | OAuthToken) -> Account:
        if isinstance(credential, AppKey):
            return Account(self._session, self._threads, app=credential, token=None)
        app = self._app
        if credential.client_id is not None:
            app = AppKey(key=credential.client_id, secret=credential.client_secret or "")
        if not credential.access_token and not (app and credential.refresh_token):
            raise CredentialRefused("the OAuth token is empty and cannot be refreshed: sign in again")
        return Account(self._session, self._threads, app=app, token=credential)

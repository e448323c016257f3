"""A credential in use: the SDK's client for it, and its access token, which is refreshed when it has expired."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from dropbox import Dropbox as Client

from heliograph_importer.sources.dropbox.errors import Expired
from heliograph_importer.sources.dropbox.session import TOKEN_URL, Session
from heliograph_importer.sources.dropbox.threads import Threads
from heliograph_importer.sources.headers import SENDABLE
from heliograph_importer.sources.port import AppKey, Budget, OAuthToken, ProviderFailed

_Result = TypeVar("_Result")
_EARLY = 60.0
"""Seconds before its end at which a token is not used any more."""
_USER_AGENT = "heliograph"


class Account:
    """Of ``token``, or of an application alone (``app``), which can read what is shared by link. The token is refreshed
    by ``app``, if there is one."""

    def __init__(self, session: Session, threads: Threads, *, app: AppKey | None, token: OAuthToken | None) -> None:
        self._session = session
        self._threads = threads
        self._app = app
        self._refresh_token = token.refresh_token if token and app else None
        self._access_token = token.access_token if token else None
        self._expires_at = token.expires_at if token else None
        self._refreshing = asyncio.Lock()
        self.of_user = token is not None

    async def call(
        self, work: Callable[[Any], _Result], budget: Budget, *, discard: Callable[[_Result], None] | None = None
    ) -> _Result:
        """What ``work``, in a thread, gets from the SDK's client. A token that has expired is refreshed, once.

        Raises:
            SourceError, CursorLost, QuotaExceeded, ProviderFailed: see there.
        """
        token = await self._usable()
        await budget.spend()
        try:
            return await self._threads.run(lambda: self._done(work, token), discard=discard)
        except Expired:
            if self._refresh_token is None:
                raise
        token = await self._usable(refused=token)
        await budget.spend()
        return await self._threads.run(lambda: self._done(work, token), discard=discard)

    async def reach_contents(self, budget: Budget) -> None:
        """Tells whether the host of contents answers.

        Raises:
            QuotaExceeded, ProviderFailed: see there.
        """
        await budget.spend()
        await self._threads.run(self._session.reach_contents)

    def _done(self, work: Callable[[Any], _Result], token: str | None) -> _Result:
        with self._session.watched():
            return work(self._client(token))

    async def _usable(self, *, refused: str | None = None) -> str | None:
        """The access token, a new one if it is at its end or was ``refused``; ``None`` for an application."""
        if self._refresh_token is None:
            return self._access_token
        async with self._refreshing:
            ended = self._expires_at is not None and self._expires_at - _EARLY <= time.time()
            if not self._access_token or ended or self._access_token == refused:
                self._access_token, self._expires_at = await self._threads.run(self._refreshed)
            return self._access_token

    def _refreshed(self) -> tuple[str, float]:
        """https://www.dropbox.com/developers/documentation/http/documentation#oauth2-token"""
        if self._app is None:  # not so: see __init__
            raise Expired("the access token of Dropbox has expired: sign in again")
        data = {
            "grant_type": "refresh_token",
            "refresh_token": self._refresh_token,
            "client_id": self._app.key,
        }
        if self._app.secret:  # an app that signs in with PKCE has none
            data["client_secret"] = self._app.secret
        answer = self._session.post(TOKEN_URL, data=data).json()
        token, seconds = answer["access_token"], answer["expires_in"]
        if not isinstance(token, str) or not token:
            raise ProviderFailed("Dropbox gave no access token")
        return token, time.time() + float(seconds)

    def _client(self, token: str | None) -> Any:
        if token is not None and not SENDABLE.fullmatch(token):
            raise Expired("the access token has characters that none has: sign in again")
        return Client(
            oauth2_access_token=token,
            app_key=self._app.key if self._app else None,
            app_secret=self._app.secret if self._app else None,
            max_retries_on_error=0,
            max_retries_on_rate_limit=0,
            user_agent=_USER_AGENT,
            session=self._session,
        )

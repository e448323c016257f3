"""What requests of Google Drive carry to be let in, by kind of credential. Access tokens are kept for each credential and
renewed by google-auth, in threads, because it blocks."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials as UserCredentials
from google.oauth2.service_account import Credentials as ServiceCredentials

from heliograph_common.excerpts import excerpt
from heliograph_common.telemetry import spans
from heliograph_importer.settings import DriveSettings
from heliograph_importer.sources.port import (
    ApiKey,
    Credential,
    CredentialRefused,
    OAuthToken,
    ProviderFailed,
    ServiceAccount,
)

SCOPE = "https://www.googleapis.com/auth/drive.readonly"
REQUEST_SECONDS = 10.0
RENEWAL_SECONDS = 30.0
EARLY_SECONDS = 60.0
"""How long before its end a token is renewed."""
CACHED = 256
_THREADS = 4

_ANYONE = "share the folder so that anyone with the link can view it"
_OAUTH = "import with an OAuth token that has the scope drive.readonly"


class Authorization(Protocol):
    """One credential. ``remedy`` says how its holder gets to see a folder."""

    remedy: str

    async def headers(self) -> Mapping[str, str]:
        """Headers to send.

        Raises:
            CredentialRefused, ProviderFailed: no access token can be had.
        """

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Replaces what was ``refused`` with 401; false if there is no other.

        Raises:
            CredentialRefused, ProviderFailed: no access token can be had.
        """


class KeyAuthorization:
    """An API key. It goes into a header, because addresses end up in logs."""

    remedy = f"{_ANYONE}, or {_OAUTH} or with a service account that the folder is shared with"

    def __init__(self, key: str) -> None:
        self._headers = {"X-Goog-Api-Key": key}

    async def headers(self) -> Mapping[str, str]:
        """See ``Authorization``."""
        return self._headers

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """There is one key."""
        return False


class TokenAuthorization:
    """An access token. ``renewal`` replaces it, in a thread and within ``seconds``, and returns the new one with its expiry
    (seconds of the epoch, ``None`` if unknown); without it the token is used until it is refused."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        remedy: str,
        renewal: Callable[[], tuple[str, float | None]] | None,
        *,
        token: str = "",
        expires_at: float | None = None,
        seconds: float = RENEWAL_SECONDS,
    ) -> None:
        self.remedy = remedy
        self._seconds = seconds
        self._pool = pool
        self._renewal = renewal
        self._token = token
        self._expires_at = expires_at
        self._renewing = asyncio.Lock()

    async def headers(self) -> Mapping[str, str]:
        """See ``Authorization``."""
        if not self._token or self._ends_soon():
            await self.renew(self._headers())
        return self._headers()

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """See ``Authorization``. Of many who come with the same token, one renews it."""
        if self._renewal is None:
            return False
        async with self._renewing:
            if self._headers() == refused:
                self._token, self._expires_at = await self._renewed(self._renewal)
        return True

    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def _ends_soon(self) -> bool:
        return self._expires_at is not None and self._expires_at - EARLY_SECONDS < time.time()

    async def _renewed(self, renewal: Callable[[], tuple[str, float | None]]) -> tuple[str, float | None]:
        try:
            async with asyncio.timeout(self._seconds):
                renewing = partial(copy_context().run, renewal)  # so that its requests are in this trace
                return await asyncio.get_running_loop().run_in_executor(self._pool, renewing)
        except (UnicodeEncodeError, requests.exceptions.InvalidHeader):  # the error has the secret in it
            raise CredentialRefused(
                "The credential has characters that none has: authorize access again, or have an administrator check it"
            ) from None
        except RefreshError as error:
            if not _is_refusal(error):
                raise ProviderFailed("Google's token endpoint failed") from error
            raise CredentialRefused(
                f"Google does not renew the access token ({_line(error)}): authorize access again, or have an administrator "
                "check the credential"
            ) from error
        except (GoogleAuthError, requests.RequestException, TimeoutError) as error:
            raise ProviderFailed("Google's token endpoint cannot be reached, or its answer is no token") from error
        except (
            TypeError,
            ValueError,
            KeyError,
            ArithmeticError,
        ) as error:  # what google-auth raises for answers it does not expect
            raise ProviderFailed("Google's token endpoint answered something that is no token") from error


class Authorizations:
    """The authorizations of an importer, the ones used last kept with their tokens."""

    def __init__(self, settings: DriveSettings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="google-auth")
        self._kept: OrderedDict[object, Authorization] = OrderedDict()

    def of(self, credential: Credential | None) -> Authorization:
        """The authorization of ``credential``; the installation's API key if there is none.

        Raises:
            CredentialRefused: Google Drive does not take credentials of this kind, or it is malformed.
        """
        key = tuple(sorted(credential.info.items())) if isinstance(credential, ServiceAccount) else credential
        if key not in self._kept:
            self._kept[key] = self._made(credential)
        self._kept.move_to_end(key)
        while len(self._kept) > CACHED:
            self._kept.popitem(last=False)
        return self._kept[key]

    def close(self) -> None:
        """Ends the threads, without waiting for those that wait for Google."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _made(self, credential: Credential | None) -> Authorization:
        match credential:
            case None:
                return self._installation()
            case ApiKey(key=key):
                return KeyAuthorization(key)
            case ServiceAccount(info=info):
                return self._service_account(info)
            case OAuthToken():
                return self._user(credential)
            case _:
                raise CredentialRefused(
                    "Google Drive takes API keys, service accounts and OAuth tokens: use a credential of one of these kinds"
                )

    def _installation(self) -> Authorization:
        if self._settings.api_key is None:
            raise CredentialRefused(
                "No API key for Google Drive is configured: import with an OAuth token or a named credential, or have "
                "an administrator set HELIOGRAPH_GOOGLE_DRIVE__API_KEY"
            )
        return KeyAuthorization(self._settings.api_key.get_secret_value())

    def _service_account(self, info: Mapping[str, str]) -> Authorization:
        try:
            # The settings' address, not the key's own: a key may not make importers send requests anywhere.
            made = ServiceCredentials.from_service_account_info(  # type: ignore[no-untyped-call]
                {**info, "token_uri": self._settings.token_url}, scopes=[SCOPE]
            )
        except (GoogleAuthError, ValueError, TypeError):  # the error may have a part of the key in it
            raise CredentialRefused(
                "The service account's key is malformed: have an administrator download a new JSON key"
            ) from None
        remedy = f"share the folder with {made.service_account_email}, or {_OAUTH}"
        return TokenAuthorization(self._pool, remedy, partial(_renew, lambda: made.with_scopes([SCOPE])))

    def _user(self, token: OAuthToken) -> Authorization:
        secret = self._settings.client_secret
        client_id = token.client_id or self._settings.client_id
        client_secret = token.client_secret or (secret.get_secret_value() if secret else None)
        renewal = None
        if token.refresh_token and client_id and client_secret:
            renewal = partial(
                _renew,
                lambda: UserCredentials(  # type: ignore[no-untyped-call]
                    None,
                    refresh_token=token.refresh_token,
                    token_uri=self._settings.token_url,
                    client_id=client_id,
                    client_secret=client_secret,
                ),
            )
        remedy = f"share the folder with the token's user, or {_OAUTH} of a user who can view the folder"
        if not token.access_token and renewal is None:
            raise CredentialRefused(
                "The OAuth credential has neither an access token nor what renews one: import with a new token"
            )
        return TokenAuthorization(self._pool, remedy, renewal, token=token.access_token, expires_at=token.expires_at)


def _renew(make: Callable[[], Any]) -> tuple[str, float | None]:
    """A new access token and its expiry, of credentials made for this alone: an earlier thread may be at it still."""
    credentials = make()
    with requests.Session() as session:
        session.trust_env = False
        credentials.refresh(partial(_requested, Request(session)))
    if not credentials.token:
        raise ValueError("no token")
    expiry = credentials.expiry  # UTC without a zone
    return credentials.token, expiry.replace(tzinfo=UTC).timestamp() if expiry else None


def _requested(send: Request, url: str, method: str = "GET", **options: Any) -> Any:
    """A request of google-auth's, bounded and with a span."""
    with spans.http_span(method, urlsplit(url).hostname or "") as answered:
        response = send(url, method=method, **{**options, "timeout": REQUEST_SECONDS})
        answered(response.status)
        return response


def _is_refusal(error: RefreshError) -> bool:
    """Whether it is Google's refusal (RFC 6749, 5.2), and no page of HTML, which google-auth takes for one as well."""
    told = error.args[1] if len(error.args) > 1 else None
    refused = isinstance(told, Mapping) and isinstance(told.get("error"), str)
    return not error.retryable and (refused or "eauthentication" in str(error))


def _line(error: Exception) -> str:
    return excerpt(" ".join(str(error.args[0]).split()))

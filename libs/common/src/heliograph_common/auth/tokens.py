"""Checking bearer tokens (JWT, RFC 7519) by the rules of RFC 8725, and issuing them for development.

The gateway and the notifier make one ``TokenVerifier`` in ``bootstrap``. What is not configured is not accepted: the
algorithm comes from the settings and the key, never from the token, and nothing that a token points to is fetched.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from heliograph_common.auth.keyset import KeySet
from heliograph_common.auth.principal import Principal
from heliograph_common.clock import utc_now
from heliograph_common.errors import Unauthenticated
from heliograph_common.settings import AuthSettings

LARGEST_TOKEN = 8 * 1024
LEAST_SECRET_BYTES = 32
LARGEST_SUBJECT = 255

_PUBLIC_KEY_ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_KEY_ID = re.compile(r"[A-Za-z0-9._~+/=:@-]{1,128}")
_REQUIRED = ["exp", "iss", "aud", "sub"]
_REASONS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "the token has expired; get a new one from your issuer"),
    (jwt.ImmatureSignatureError, "the token is not valid yet; check the clock of its issuer"),
    (jwt.InvalidIssuerError, "the token comes from another issuer"),
    (jwt.InvalidAudienceError, "the token is intended for another audience"),
    (jwt.MissingRequiredClaimError, "the token lacks one of the claims `exp`, `iss`, `aud` and `sub`"),
    (jwt.InvalidSignatureError, "the token's signature is invalid"),
    (jwt.DecodeError, "the token is malformed"),
)


class TokenVerifier:
    """Checks tokens by ``settings``; raises ``ValueError`` with the remedy when those cannot be safe."""

    def __init__(self, settings: AuthSettings, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._keys: KeySet | None = None
        self._secret = b""
        if settings.secret is not None and settings.jwks_url is not None:
            raise ValueError("auth has a secret and a jwks_url; set one of them only")
        if settings.jwks_url is not None:
            if not settings.jwks_url.startswith(("https://", "http://")):
                raise ValueError("auth.jwks_url must be an http or https URL")
            self._keys = KeySet(settings.jwks_url, monotonic=monotonic)
        else:
            self._secret = _secret(settings)

    async def verify(self, token: str) -> Principal:
        """Who ``token`` speaks for.

        Raises:
            Unauthenticated: it is not acceptable; the message is short and may be shown to the client.
        """
        header = _header(token)
        algorithm, key = await self._key(header)
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self._settings.issuer,
                audience=self._settings.audience,
                leeway=self._settings.leeway,
                options={"require": _REQUIRED},
            )
            return _principal(claims)
        except jwt.PyJWTError as error:
            raise Unauthenticated(_reason(error)) from error
        except (ValueError, OverflowError, RecursionError) as error:
            raise Unauthenticated("the token is malformed") from error

    async def _key(self, header: dict[str, Any]) -> tuple[str, bytes | jwt.PyJWK]:
        algorithm = header.get("alg")
        if self._keys is None:
            if algorithm != "HS256":
                raise Unauthenticated("the token's signing algorithm is not supported")
            return "HS256", self._secret
        if not isinstance(algorithm, str) or algorithm not in _PUBLIC_KEY_ALGORITHMS:
            raise Unauthenticated("the token's signing algorithm is not supported")
        return algorithm, await self._keys.key(header.get("kid"), algorithm)


def issue_token(
    settings: AuthSettings, *, subject: str, scopes: Iterable[str], lifetime: timedelta = timedelta(hours=1)
) -> str:
    """A token signed with the secret in ``settings``, for development and the embedded stack.

    Raises:
        ValueError: there is no secret, or it is too short.
    """
    now = utc_now()
    claims = {
        "iss": settings.issuer,
        "aud": settings.audience,
        "sub": subject,
        "scope": " ".join(sorted(scopes)),
        "iat": now,
        "exp": now + lifetime,
    }
    return jwt.encode(claims, _secret(settings), algorithm="HS256")


def _secret(settings: AuthSettings) -> bytes:
    remedy = (
        f"set HELIOGRAPH_AUTH__SECRET (or …__SECRET_FILE) to {LEAST_SECRET_BYTES} random bytes or more, such as from "
        "`openssl rand -base64 48`, or HELIOGRAPH_AUTH__JWKS_URL to your issuer's key set"
    )
    if settings.secret is None:
        raise ValueError(f"tokens cannot be checked without a key: {remedy}")
    secret = settings.secret.get_secret_value().encode()
    if len(secret) < LEAST_SECRET_BYTES:
        raise ValueError(f"the secret for tokens has {len(secret)} bytes, which can be guessed: {remedy}")
    return secret


def _header(token: str) -> dict[str, Any]:
    """The token's header, which proves nothing yet, after all checks that need no key."""
    if len(token) > LARGEST_TOKEN:
        raise Unauthenticated(f"the token is longer than {LARGEST_TOKEN} bytes")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise Unauthenticated("the token is malformed") from error
    if "crit" in header or "b64" in header:
        raise Unauthenticated("the token requires an unsupported extension")
    if "typ" in header and str(header["typ"]).lower() not in _TYPES:
        raise Unauthenticated("the token type is not supported")
    key_id = header.get("kid")
    if key_id is not None and not (isinstance(key_id, str) and _KEY_ID.fullmatch(key_id)):
        raise Unauthenticated("the token's key id is malformed")
    return header


def _principal(claims: dict[str, Any]) -> Principal:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= LARGEST_SUBJECT or not subject.isprintable():
        raise ValueError("sub")
    return Principal(subject, _scopes(claims), datetime.fromtimestamp(int(claims["exp"]), UTC))


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """From ``scope``, a string with spaces (RFC 8693), or ``scp``, a list of strings or such a string."""
    scope = claims.get("scope", claims.get("scp", ""))
    if isinstance(scope, str):
        return frozenset(scope.split())
    if isinstance(scope, list) and all(isinstance(item, str) for item in scope):
        return frozenset(scope)
    raise ValueError("scope")


def _reason(error: jwt.PyJWTError) -> str:
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "the token is invalid")

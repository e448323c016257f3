"""Who may call the double: API keys, access tokens, and the endpoint that issues tokens for the JSON key of a service
account (RFC 7523) and for refresh tokens (RFC 6749)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from heliograph_local.doubles.faults import Behaviour
from heliograph_local.doubles.google_drive.discovery import document
from heliograph_local.doubles.google_drive.errors import Refused, api_key_invalid, error

API_KEY = "api-key-of-the-double"
CLIENT_ID = "client-of-the-double"
CLIENT_SECRET = "secret-of-the-double"  # noqa: S105 - of no use elsewhere
AUDIENCE = "https://oauth2.googleapis.com/token"
READ_ONLY = "https://www.googleapis.com/auth/drive.readonly"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME = 3600


@dataclass(frozen=True)
class Token:
    """An access token's user, what it is good for, and until when (seconds of the epoch)."""

    identity: str
    scopes: frozenset[str]
    expires_at: float


@dataclass(frozen=True)
class Caller:
    """Who sent a request: ``identity`` is ``None`` with an API key, which has no scopes."""

    identity: str | None
    scopes: frozenset[str] | None = None


@dataclass(frozen=True)
class _Refresh:
    identity: str
    client_id: str
    client_secret: str


class Accounts:
    """Keys, tokens and users."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.api_keys = {API_KEY}
        self.tokens: dict[str, Token] = {}
        self._clock = clock
        self._refresh: dict[str, _Refresh] = {}
        self._public: dict[str, rsa.RSAPublicKey] = {}

    def token(
        self, identity: str, *, scopes: Iterable[str] = (READ_ONLY,), seconds: float = LIFETIME, token: str = ""
    ) -> str:
        """An access token of ``identity``."""
        value = token or f"ya29.{secrets.token_urlsafe(32)}"
        self.tokens[value] = Token(identity, frozenset(scopes), self._clock() + seconds)
        return value

    def refresh_token(
        self, identity: str, client_id: str = CLIENT_ID, client_secret: str = CLIENT_SECRET, *, token: str = ""
    ) -> str:
        """A refresh token of ``identity``, for the application of ``client_id``."""
        value = token or f"1//{secrets.token_urlsafe(32)}"
        self._refresh[value] = _Refresh(identity, client_id, client_secret)
        return value

    def withdraw(self, token: str) -> None:
        """An access or refresh token is good no more."""
        self.tokens.pop(token, None)
        self._refresh.pop(token, None)

    def service_account(self, name: str = "importer") -> dict[str, str]:
        """The JSON key of a new service account; its ``client_email`` is whom to share with."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        email = f"{name}@project.iam.gserviceaccount.com"
        self._public[email] = key.public_key()
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": secrets.token_hex(20),
            "private_key": pem.decode(),
            "client_email": email,
            "client_id": "100000000000000000001",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": AUDIENCE,
            "universe_domain": "googleapis.com",
        }

    def caller(self, request: Request, query: Mapping[str, str]) -> Caller:
        """Who sent ``request``.

        Raises:
            Refused: it is not known who, or the token has expired.
        """
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme:
            token = self.tokens.get(bearer)
            if scheme != "Bearer" or token is None or token.expires_at <= self._clock():
                refused = error(401, "authError", "Invalid Credentials", location="Authorization", at="header")
                refused.headers["WWW-Authenticate"] = (
                    'Bearer realm="https://accounts.google.com/", error="invalid_token"'
                )
                raise Refused(refused)
            return Caller(token.identity, token.scopes)
        key = request.headers.get("x-goog-api-key", query.get("key"))
        if key is None:
            raise Refused(error(403, "forbidden", "Method doesn't allow unregistered callers. Please use API Key."))
        if key not in self.api_keys:
            raise Refused(api_key_invalid())
        return Caller(None)

    async def issue(self, request: Request, behaviour: Behaviour) -> Response:
        """Answers a request of the token endpoint."""
        if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
            behaviour.violation("token: the body is no form")
            return _oauth_error("invalid_request", "Bad content type")
        form = {name: str(value) for name, value in (await request.form()).items()}
        wanted = {
            JWT_GRANT: {"grant_type", "assertion"},
            "refresh_token": {"grant_type", "refresh_token", "client_id", "client_secret"},
        }.get(form.get("grant_type", ""))
        if wanted is None or not wanted <= form.keys() or form.keys() - wanted - {"scope"}:
            behaviour.violation(f"token: not the fields of a grant: {', '.join(sorted(form))}")
            return _oauth_error("invalid_request", "Missing or unknown parameter")
        if form["grant_type"] == "refresh_token":
            return self._refreshed(form)
        return self._asserted(form["assertion"])

    def _refreshed(self, form: Mapping[str, str]) -> Response:
        held = self._refresh.get(form["refresh_token"])
        if held is None:
            return _oauth_error("invalid_grant", "Token has been expired or revoked.")
        if (held.client_id, held.client_secret) != (form["client_id"], form["client_secret"]):
            return _oauth_error("invalid_client", "Unauthorized", 401)
        return self._issued(held.identity, {READ_ONLY})

    def _asserted(self, assertion: str) -> Response:
        try:
            email = str(jwt.decode(assertion, options={"verify_signature": False}).get("iss"))
            claims = jwt.decode(
                assertion,
                self._public[email],
                algorithms=["RS256"],
                audience=AUDIENCE,
                options={"require": ["iss", "aud", "exp", "iat"]},
            )
        except (jwt.PyJWTError, KeyError):
            return _oauth_error("invalid_grant", "Invalid JWT Signature.")
        scopes = set(str(claims.get("scope", "")).split())
        if not scopes or not scopes <= document()["auth"]["oauth2"]["scopes"].keys():
            return _oauth_error("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        if claims["exp"] - claims["iat"] > LIFETIME:
            return _oauth_error("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes)")
        return self._issued(email, scopes)

    def _issued(self, identity: str, scopes: set[str]) -> Response:
        token = self.token(identity, scopes=scopes)
        told = {"access_token": token, "expires_in": LIFETIME - 1, "token_type": "Bearer", "scope": " ".join(scopes)}
        return JSONResponse(told)


def _oauth_error(code: str, description: str, status: int = 400) -> Response:
    """RFC 6749, 5.2."""
    return JSONResponse({"error": code, "error_description": description}, status)

"""RFC 8725's attacks, one row each, and the rules beside them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from heliograph_common.auth.principal import ADMIN, IMAGES_READ, IMAGES_WRITE, Principal
from heliograph_common.auth.tokens import TokenVerifier, issue_token
from heliograph_common.errors import Forbidden, Unauthenticated
from heliograph_common.settings import AuthSettings

DAY = 86_400
SECRET = "correct horse battery staple, 42!"
SETTINGS = AuthSettings(secret=SecretStr(SECRET))
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims with ``changes``; ``None`` removes one."""
    good = {"iss": "heliograph", "aud": "heliograph", "sub": "ann", "scope": "images:read", "exp": time.time() + DAY}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(header: dict[str, Any] | None = None, *, secret: str = SECRET, **changes: Any) -> str:
    return jwt.encode(claims(**changes), secret, algorithm="HS256", headers=header)


def segment(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def handmade(header: bytes, payload: bytes, secret: str = SECRET) -> str:
    """A token with a true HS256 signature over whatever it holds."""
    head = f"{segment(header)}.{segment(payload)}"
    return f"{head}.{segment(hmac.digest(secret.encode(), head.encode(), hashlib.sha256))}"


def unsigned() -> str:
    return jwt.encode(claims(), "", algorithm="none")


def tampered() -> str:
    head, _, signature = signed().split(".")
    return f"{head}.{segment(json.dumps(claims(sub='eve')).encode())}.{signature}"


GOOD_HEADER = b'{"alg":"HS256","typ":"JWT"}'
GOOD_PAYLOAD = json.dumps(claims()).encode()

ATTACKS = {
    "alg none (2.1)": (unsigned(), "algorithm"),
    "alg None in other case": (handmade(b'{"alg":"nOnE"}', GOOD_PAYLOAD), "algorithm"),
    "asymmetric algorithm with our secret (2.1, 3.1)": (jwt.encode(claims(), RSA_KEY, algorithm="RS256"), "algorithm"),
    "other member of the family": (jwt.encode(claims(), SECRET * 2, algorithm="HS512"), "algorithm"),
    "no algorithm": (handmade(b'{"typ":"JWT"}', GOOD_PAYLOAD), "malformed|algorithm"),
    "algorithm is a list": (handmade(b'{"alg":["HS256"]}', GOOD_PAYLOAD), "malformed|algorithm"),
    "guessed secret (2.2)": (signed(secret="x" * 32), "signature"),
    "changed claims": (tampered(), "signature"),
    "signature cut off": (signed().rpartition(".")[0] + ".", "signature"),
    "other issuer (2.7, 3.8)": (signed(iss="https://evil.example"), "another issuer"),
    "no issuer": (signed(iss=None), "lacks"),
    "other audience (2.8, 3.9)": (signed(aud="billing"), "another audience"),
    "no audience": (signed(aud=None), "lacks"),
    "audience is an object": (signed(aud={"heliograph": 1}), "another audience"),
    "no subject": (signed(sub=None), "lacks"),
    "empty subject": (signed(sub=""), "malformed"),
    "long subject": (signed(sub="x" * 256), "malformed"),
    "subject with control characters": (signed(sub="ann\n"), "malformed"),
    "no expiry": (signed(exp=None), "lacks"),
    "expired": (signed(exp=time.time() - 60), "expired"),
    "expiry is a word": (signed(exp="tomorrow"), "malformed"),
    "expiry beyond all calendars": (signed(exp=10**15), "malformed"),
    "infinite expiry": (handmade(GOOD_HEADER, GOOD_PAYLOAD.replace(b'"exp": ', b'"exp": 1e999, "x": ')), "malformed"),
    "not yet valid": (signed(nbf=time.time() + DAY), "not valid yet"),
    "substitution by another kind (2.8, 3.11)": (signed({"typ": "logout+jwt"}), "token type"),
    "unknown critical extension": (signed({"crit": ["exp"], "exp": 1}), "extension|malformed"),
    "unencoded payload": (signed({"b64": False}), "malformed|extension"),
    "path as key id (2.10, 3.10)": (signed({"kid": "../../dev/null\x00"}), "key id"),
    "SQL as key id": (signed({"kid": "x' UNION SELECT 'k"}), "key id"),
    "long key id": (signed({"kid": "k" * 129}), "key id"),
    "key set of the attacker (jku)": (signed({"jku": "http://127.0.0.1:9/k"}, secret="x" * 32), "signature"),
    "certificate of the attacker (x5u)": (signed({"x5u": "http://127.0.0.1:9/k"}, secret="x" * 32), "signature"),
    "key of the attacker (jwk)": (signed({"jwk": {"kty": "oct", "k": "eA"}}, secret="x" * 32), "signature"),
    "oversized": (signed(padding="x" * 9000), "longer than"),
    "nested header": (f"{segment(b'[' * 5000)}.e30.e30", "malformed"),
    "nested claims": (handmade(GOOD_HEADER, b'{"a":' * 1100), "malformed"),
    "header is a list": (handmade(b'["HS256"]', GOOD_PAYLOAD), "malformed"),
    "claims are a list": (handmade(GOOD_HEADER, b"[1]"), "malformed"),
    "scope is a number": (signed(scope=7), "malformed"),
    "not text": ("\udcff.é.\x00", "malformed"),
    "five parts (encrypted)": ("a.b.c.d.e", "malformed"),
    "empty": ("", "malformed"),
}


@pytest.mark.parametrize(("token", "reason"), ATTACKS.values(), ids=ATTACKS.keys())
@pytest.mark.usefixtures("no_garbage_collection")
async def test_attacks_are_refused_with_a_short_reason(token: str, reason: str) -> None:
    with pytest.raises(Unauthenticated, match=reason) as caught:
        await TokenVerifier(SETTINGS).verify(token)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    ("changes", "scopes"),
    [
        ({}, {IMAGES_READ}),
        ({"scope": "images:read images:write"}, {IMAGES_READ, IMAGES_WRITE}),
        ({"scope": None, "scp": ["images:write", "admin"]}, {IMAGES_WRITE, ADMIN}),
        ({"scope": None, "scp": "images:read"}, {IMAGES_READ}),
        ({"scope": None}, set()),
        ({"aud": ["billing", "heliograph"]}, {IMAGES_READ}),
    ],
)
async def test_good_tokens(changes: dict[str, Any], scopes: set[str]) -> None:
    principal = await TokenVerifier(SETTINGS).verify(signed(**changes))
    assert (principal.subject, principal.scopes) == ("ann", frozenset(scopes))


async def test_a_difference_of_clocks_is_forgiven() -> None:
    verifier = TokenVerifier(SETTINGS.model_copy(update={"leeway": 300.0}))
    for token in (signed(exp=time.time() - 30), signed(nbf=time.time() + 30)):
        assert (await verifier.verify(token)).subject == "ann"


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
async def test_kinds_of_token_that_are_access_tokens(kind: str) -> None:
    assert (await TokenVerifier(SETTINGS).verify(signed({"typ": kind}))).subject == "ann"


async def test_an_issued_token_is_good_until_it_expires() -> None:
    token = issue_token(SETTINGS, subject="ann", scopes=[IMAGES_WRITE, IMAGES_READ], lifetime=timedelta(minutes=5))
    principal = await TokenVerifier(SETTINGS).verify(token)

    assert principal.scopes == {IMAGES_READ, IMAGES_WRITE}
    assert 0 < (principal.expires_at - datetime.now(UTC)).total_seconds() <= 300


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        (AuthSettings(), "HELIOGRAPH_AUTH__SECRET"),
        (AuthSettings(secret=SecretStr("x" * 31)), "openssl rand"),
        (AuthSettings(secret=SecretStr(SECRET), jwks_url="https://id.example/keys"), "one of them"),
        (AuthSettings(jwks_url="file:///etc/keys"), "http"),
    ],
)
def test_unsafe_settings_are_refused_at_start_with_the_remedy(settings: AuthSettings, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        TokenVerifier(settings)


def test_tokens_are_not_issued_without_a_secret() -> None:
    with pytest.raises(ValueError, match="HELIOGRAPH_AUTH__SECRET"):
        issue_token(AuthSettings(), subject="ann", scopes=[])


def test_scopes_are_required_and_admin_implies_all() -> None:
    reader = Principal("ann", frozenset({IMAGES_READ}), datetime.now(UTC))
    reader.require(IMAGES_READ)
    with pytest.raises(Forbidden, match="images:write"):
        reader.require(IMAGES_WRITE)
    Principal("root", frozenset({ADMIN}), datetime.now(UTC)).require(IMAGES_WRITE)

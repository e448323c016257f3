"""Tokens of an issuer with a key set, served over HTTP on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from heliograph_common.auth.tokens import TokenVerifier
from heliograph_common.errors import Unauthenticated
from heliograph_common.runtime.http_server import HttpServer
from heliograph_common.settings import AuthSettings

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - the one to refuse
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def published(key: Any, **extra: Any) -> dict[str, Any]:
    algorithm: Any = RSAAlgorithm
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = ECAlgorithm
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        algorithm = OKPAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), **extra}


def token(key: Any, algorithm: str, key_id: str | None = "k1") -> str:
    claims = {"iss": "heliograph", "aud": "heliograph", "sub": "ann", "exp": time.time() + 60}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": key_id} if key_id else None)


class Issuer:
    """An issuer whose ``keys`` may change, which may be ``away``, and a clock that the test moves."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.away = False
        self.body: bytes | None = None
        self.fetches = 0
        self.now = 1000.0
        self.server = HttpServer("issuer", self.app, host="127.0.0.1", port=0)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.fetches += 1
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        await send({"type": "http.response.start", "status": 503 if self.away else 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    def verifier(self) -> TokenVerifier:
        settings = AuthSettings(jwks_url=f"http://127.0.0.1:{self.server.port}/keys")
        return TokenVerifier(settings, monotonic=lambda: self.now)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    await issuer.server.start()
    yield issuer
    await issuer.server.stop(1)


@pytest.mark.parametrize(("key", "algorithm"), [(RSA_KEY, "RS256"), (EC_KEY, "ES256"), (ED_KEY, "EdDSA")])
@pytest.mark.parametrize("key_id", ["k1", None])
async def test_signatures_of_published_keys_are_good(issuer: Issuer, key: Any, algorithm: str, key_id: str) -> None:
    issuer.keys = [published(key, kid="k1")]
    assert (await issuer.verifier().verify(token(key, algorithm, key_id))).subject == "ann"


async def test_a_public_key_is_no_shared_secret(issuer: Issuer) -> None:
    issuer.keys = [published(RSA_KEY, kid="k1")]
    _, payload, _ = token(RSA_KEY, "RS256").split(".")
    head = jwt.utils.base64url_encode(b'{"alg":"HS256","kid":"k1"}').decode() + "." + payload
    pem = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature = jwt.utils.base64url_encode(hmac.digest(pem, head.encode(), hashlib.sha256)).decode()
    with pytest.raises(Unauthenticated, match="algorithm"):
        await issuer.verifier().verify(f"{head}.{signature}")


@pytest.mark.parametrize("algorithm", [b'"none"', b'"HS256"', b'"RS512"', b'["RS256"]', b"{}", b"7"])
async def test_other_algorithms_are_refused_without_a_fetch(issuer: Issuer, algorithm: bytes) -> None:
    header = jwt.utils.base64url_encode(b'{"kid":"k1","alg":' + algorithm + b"}").decode()
    with pytest.raises(Unauthenticated, match=r"algorithm|malformed"):
        await issuer.verifier().verify(f"{header}.e30.e30")
    assert issuer.fetches == 0


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": "eA", "kid": "k1"},
        published(WEAK_KEY, kid="k1"),
        published(RSA_KEY, kid="k1", use="enc"),
        published(RSA_KEY, kid="k1", alg="RS512"),
        {"kty": "RSA", "kid": "k1"},
        {"kty": "RSA", "n": 7, "e": [], "kid": "k1"},
        {"kty": ["RSA"], "kid": "k1"},
        published(EC_KEY, kid="k1"),
    ],
)
async def test_keys_that_do_not_fit_are_passed_over(issuer: Issuer, entry: dict[str, Any]) -> None:
    issuer.keys = [entry]
    with pytest.raises(Unauthenticated, match="does not publish"):
        await issuer.verifier().verify(token(RSA_KEY, "RS256"))


async def test_a_new_key_is_fetched_but_not_for_every_made_up_id(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    issuer.keys = [published(RSA_KEY, kid="k1")]
    await verifier.verify(token(RSA_KEY, "RS256"))
    issuer.keys.append(published(EC_KEY, kid="k2"))
    for number in range(20):
        with pytest.raises(Unauthenticated):
            await verifier.verify(token(EC_KEY, "ES256", f"made-up-{number}"))
    assert issuer.fetches == 1

    issuer.now += 31
    await verifier.verify(token(EC_KEY, "ES256", "k2"))
    assert issuer.fetches == 2


async def test_many_requests_at_once_fetch_once(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    issuer.keys = [published(RSA_KEY, kid="k1")]
    await asyncio.gather(*(verifier.verify(token(RSA_KEY, "RS256")) for _ in range(20)))
    assert issuer.fetches == 1


async def test_cached_keys_serve_while_the_issuer_is_away_but_not_for_ever(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    issuer.keys = [published(RSA_KEY, kid="k1")]
    await verifier.verify(token(RSA_KEY, "RS256"))
    issuer.away = True
    issuer.now += 11 * 3600
    await verifier.verify(token(RSA_KEY, "RS256"))
    issuer.now += 2 * 3600
    with pytest.raises(Unauthenticated, match="could not be fetched"):
        await verifier.verify(token(RSA_KEY, "RS256"))

    issuer.away = False
    issuer.now += 6
    await verifier.verify(token(RSA_KEY, "RS256"))


async def test_a_withdrawn_key_is_forgotten(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    issuer.keys = [published(RSA_KEY, kid="k1")]
    await verifier.verify(token(RSA_KEY, "RS256"))
    issuer.keys = []
    issuer.now += 601
    with pytest.raises(Unauthenticated, match="does not publish"):
        await verifier.verify(token(RSA_KEY, "RS256"))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"keys": 7}', b'{"keys": [7]}', b"x" * 300_000])
async def test_what_is_no_key_set_is_an_issuer_that_is_away(issuer: Issuer, body: bytes) -> None:
    issuer.body = body
    with pytest.raises(Unauthenticated, match="could not be fetched"):
        await issuer.verifier().verify(token(RSA_KEY, "RS256"))

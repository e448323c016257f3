"""The attacks of RFC 8725 on bearer tokens, each a token (or headers) and what must come of it. Pure.

``tokens`` sends each over HTTP and to the sockets. Controls are among them, so that "all refused" cannot pass.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from heliograph_common.settings import AuthSettings

Outcome = Literal["refused", "taken"]

HOUR = 3600


@dataclass(frozen=True)
class Attack:
    """One token; ``handshake``: what that is answered where it is not as the others."""

    name: str
    token: str
    outcome: Outcome = "refused"
    handshake: str = ""


class Forge:
    """Makes tokens of an installation with ``settings``; claims and headers as the caller wants them. ``elsewhere`` is an
    address that tokens point to."""

    def __init__(self, settings: AuthSettings, elsewhere: str) -> None:
        self.settings = settings
        self.elsewhere = elsewhere
        self.secret = settings.secret.get_secret_value().encode() if settings.secret else b""

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Good claims with ``changes``; ``None`` removes one."""
        good = {
            "iss": self.settings.issuer,
            "aud": self.settings.audience,
            "sub": "mallory",
            "scope": "images:read",
            "iat": int(time.time()),
            "exp": int(time.time()) + HOUR,
        }
        return {name: value for name, value in (good | changes).items() if value is not None}

    def signed(self, header: dict[str, Any] | None = None, *, secret: bytes | None = None, **changes: Any) -> str:
        """An HS256 token, by hand: libraries refuse to write what attackers write."""
        head = {"alg": "HS256", "typ": "JWT"} | (header or {})
        return self.handmade(json.dumps(head).encode(), json.dumps(self.claims(**changes)).encode(), secret=secret)

    def handmade(self, header: bytes, payload: bytes, *, secret: bytes | None = None) -> str:
        """A true HS256 signature over whatever it holds."""
        key = self.secret if secret is None else secret
        head = f"{segment(header)}.{segment(payload)}"
        return f"{head}.{segment(hmac.digest(key, head.encode(), hashlib.sha256))}"

    def unsigned(self, algorithm: object, signature: str = "") -> str:
        """A token whose header says ``algorithm``, with any signature."""
        return f"{_json({'alg': algorithm, 'typ': 'JWT'})}.{_json(self.claims())}.{signature}"


def segment(value: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _json(value: object) -> str:
    return segment(json.dumps(value).encode())


def on_a_shared_secret(forge: Forge) -> Iterator[Attack]:
    """Where tokens are signed with HS256."""
    good = forge.signed()
    head, payload, signature = good.split(".")
    yield Attack("control: a good token", good, "taken")
    yield Attack("control: aud is a list that has ours", forge.signed(aud=["x", forge.settings.audience]), "taken")
    for spelling in ("none", "None", "NONE", "nOnE", "", None, ["none"]):
        yield Attack(f"alg {spelling!r}, no signature", forge.unsigned(spelling))
        yield Attack(f"alg {spelling!r}, the signature of another token", forge.unsigned(spelling, signature))
    yield Attack("no alg", forge.handmade(b'{"typ":"JWT"}', json.dumps(forge.claims()).encode()))
    yield Attack("signed with another secret", forge.signed(secret=b"another secret that is long enough, too"))
    for weak in (b"", b"secret", b"heliograph"):
        yield Attack(f"signed with the secret {weak.decode()!r}", forge.signed(secret=weak))
    for algorithm in ("HS384", "HS512"):
        yield Attack(
            f"{algorithm} with the right secret", jwt.encode(forge.claims(), forge.secret, algorithm=algorithm)
        )
    yield Attack("RS256 where a secret is configured", jwt.encode(forge.claims(), _RSA, algorithm="RS256"))
    yield Attack("the signature cut off", f"{head}.{payload}.")
    yield Attack("the signature changed", f"{head}.{payload}.{segment(b'x' * 32)}")
    yield Attack("the payload changed", f"{head}.{_json(forge.claims(sub='root', scope='admin'))}.{signature}")
    yield from _claims(forge)
    yield from _headers(forge)
    yield from _shapes(forge, good)


def _claims(forge: Forge) -> Iterator[Attack]:
    now = int(time.time())
    changes: dict[str, dict[str, Any]] = {
        "iss of another issuer": {"iss": "https://evil.example"},
        "no iss": {"iss": None},
        "iss is a list": {"iss": [forge.settings.issuer]},
        "aud of another service": {"aud": "another"},
        "no aud": {"aud": None},
        "aud is a list without ours": {"aud": ["a", "b"]},
        "aud is a number": {"aud": 7},
        "exp an hour ago": {"exp": now - HOUR},
        "no exp": {"exp": None},
        "exp is a word": {"exp": "tomorrow"},
        "exp is beyond time": {"exp": 10**30},
        "exp is negative": {"exp": -1},
        "nbf in an hour": {"nbf": now + HOUR},
        "nbf is a word": {"nbf": "now"},
        "iat in an hour": {"iat": now + HOUR},
        "iat is a word": {"iat": "yesterday"},
        "no sub": {"sub": None},
        "sub is empty": {"sub": ""},
        "sub is a number": {"sub": 7},
        "sub is of 5,000 characters": {"sub": "a" * 5000},
        "sub has a line break": {"sub": "ann\nroot"},
        "scope is an object": {"scope": {"admin": True}},
    }
    for name, change in changes.items():
        yield Attack(name, forge.signed(**change))


def _headers(forge: Forge) -> Iterator[Attack]:
    """Headers that point at keys: nothing is fetched, and no key that a token brings is used."""
    kids = {
        "a path": "../../../../dev/null",
        "SQL": "x' UNION SELECT 'secret' --",
        "a command": "key; cat /etc/passwd |",
        "of 4,000 characters": "k" * 4000,
        "a number": 7,
        "empty": "",
    }
    for name, kid in kids.items():
        outcome: Outcome = "taken" if name == "a path" else "refused"  # of the characters of a key id, and never a path
        yield Attack(f"kid is {name}, well signed", forge.signed({"kid": kid}), outcome)
        yield Attack(f"kid is {name}, signed with an empty secret", forge.signed({"kid": kid}, secret=b""))
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(_RSA.public_key()))
    for name, header in {
        "jku": {"jku": forge.elsewhere},
        "x5u": {"x5u": forge.elsewhere},
        "jwk": {"jwk": public},
        "x5c": {"x5c": [base64.b64encode(_der(_RSA)).decode()]},
    }.items():
        yield Attack(
            f"{name}: a key of the attacker's", jwt.encode(forge.claims(), _RSA, algorithm="RS256", headers=header)
        )
        yield Attack(f"{name}: with another secret", forge.signed(header, secret=b"another secret that is long enough"))
    yield Attack("crit: an unknown extension", forge.signed({"crit": ["exp"], "exp": 1}))
    yield Attack("b64 is false", forge.signed({"b64": False}))
    for kind in ("dpop+jwt", "id_token+jwt", "JWE"):
        yield Attack(f"typ {kind}", forge.signed({"typ": kind}))


def _shapes(forge: Forge, good: str) -> Iterator[Attack]:
    yield Attack("of 12,000 bytes, well signed", forge.signed(junk="a" * 9000), handshake="431")
    yield Attack("not a JWT", "correct-horse-battery-staple")
    yield Attack("two dots and nothing else", "..")
    yield Attack("an encrypted token (five parts)", f"{good}.{segment(b'a')}.{segment(b'b')}")
    yield Attack("a payload that is no object", forge.handmade(b'{"alg":"HS256"}', b'["sub"]'))
    yield Attack("a payload that is no JSON", forge.handmade(b'{"alg":"HS256"}', b"{"))
    yield Attack("a payload nested 1,500 deep", forge.handmade(b'{"alg":"HS256"}', b"[" * 1500 + b"]" * 1500))
    yield Attack("a header twice, the last one none", forge.handmade(b'{"alg":"HS256","alg":"none"}', b"{}"))
    yield Attack("padding in the segments", ".".join(f"{part}==" for part in good.split(".")))
    yield Attack("another token behind a space", f"{good} {good}")


@dataclass(frozen=True)
class Keys:
    """The issuer's private keys by key id, and keys that are in its set and must not be used."""

    first: rsa.RSAPrivateKey
    curve: ec.EllipticCurvePrivateKey
    edwards: ed25519.Ed25519PrivateKey
    second: rsa.RSAPrivateKey
    weak: rsa.RSAPrivateKey
    symmetric: bytes = b"a symmetric key that someone put into a public set"

    @classmethod
    def make(cls) -> Keys:
        """New ones."""
        return cls(
            rsa.generate_private_key(65537, 2048),
            ec.generate_private_key(ec.SECP256R1()),
            ed25519.Ed25519PrivateKey.generate(),
            rsa.generate_private_key(65537, 2048),
            rsa.generate_private_key(65537, 1024),  # noqa: S505
        )

    def document(self, *, rotated: bool = False) -> bytes:
        """The key set."""
        published = [
            _published(self.curve, "ec"),
            _published(self.edwards, "ed"),
            _published(self.second, "next") if rotated else _published(self.first, "rsa"),
            _published(self.weak, "weak"),
            _published(self.first, "enc") | {"use": "enc"},
            {"kty": "oct", "kid": "oct", "alg": "HS256", "k": segment(self.symmetric)},
        ]
        return json.dumps({"keys": published}).encode()


def on_published_keys(forge: Forge, keys: Keys) -> Iterator[Attack]:
    """Where tokens are signed with keys of a key set."""

    def signed(key: Any, algorithm: str, kid: str | None) -> str:
        return jwt.encode(forge.claims(), key, algorithm=algorithm, headers={"kid": kid} if kid else None)

    yield Attack("control: RS256", signed(keys.first, "RS256", "rsa"), "taken")
    yield Attack("control: ES256", signed(keys.curve, "ES256", "ec"), "taken")
    yield Attack("control: EdDSA", signed(keys.edwards, "EdDSA", "ed"), "taken")
    yield Attack("control: no kid where one key fits", signed(keys.curve, "ES256", None), "taken")
    pem = keys.first.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for name, secret in {
        "PEM": pem,
        "PEM without its last line break": pem.rstrip(),
        "DER": _der(keys.first),
        "JWK": json.dumps(_published(keys.first, "rsa")).encode(),
    }.items():
        yield Attack(f"HS256 with the public key as the secret ({name})", forge.signed({"kid": "rsa"}, secret=secret))
    yield Attack("HS256 with a symmetric key of the set", forge.signed({"kid": "oct"}, secret=keys.symmetric))
    yield Attack("HS256 with an empty secret", forge.signed({"kid": "rsa"}, secret=b""))
    for spelling in ("none", "None", ""):
        yield Attack(f"alg {spelling!r}", forge.unsigned(spelling))
    yield Attack(
        "ES256 of all zeros", f"{_json({'alg': 'ES256', 'kid': 'ec'})}.{_json(forge.claims())}.{segment(bytes(64))}"
    )
    yield Attack("RS512 with a published key", signed(keys.first, "RS512", "rsa"))
    yield Attack("PS256 with a published key", signed(keys.first, "PS256", "rsa"))
    yield Attack("a published key, another one's kid", signed(keys.first, "RS256", "ec"))
    yield Attack("a key for encryption", signed(keys.first, "RS256", "enc"))
    yield Attack("a published key of 1,024 bits", signed(keys.weak, "RS256", "weak"))
    yield Attack("a key that is not published", signed(_RSA, "RS256", "rsa"))
    yield Attack("an unknown kid", signed(_RSA, "RS256", "who"))
    for name in ("jku", "x5u"):
        header = {"kid": "who", name: forge.elsewhere}
        yield Attack(f"{name}: a key of the attacker's", jwt.encode(forge.claims(), _RSA, "RS256", headers=header))
    for name, kid in {"a path": "../../jwks.json", "a URL": forge.elsewhere, "SQL": "' OR 1=1 --"}.items():
        yield Attack(f"kid is {name}", signed(_RSA, "RS256", kid))


def _published(key: Any, kid: str) -> dict[str, Any]:
    kinds = {rsa.RSAPrivateKey: "RSAAlgorithm", ec.EllipticCurvePrivateKey: "ECAlgorithm"}
    kind = next((name for type_, name in kinds.items() if isinstance(key, type_)), "OKPAlgorithm")
    shown: dict[str, Any] = json.loads(getattr(jwt.algorithms, kind).to_jwk(key.public_key()))
    return shown | {"kid": kid, "use": "sig"}


def _der(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


_RSA = rsa.generate_private_key(65537, 2048)

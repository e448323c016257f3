"""The two tokens that a running stack offers its owner: a user's and an administrator's.

Used by stack.py. Signed with the stack's own HS256 secret; made anew at each start.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jwt

from heliograph_local.credentials import AUDIENCE, ISSUER

_LIFETIME = timedelta(days=30)
USER, ADMIN = "local", "local-admin"
USER_SCOPES = ("images:read", "images:write")
ADMIN_SCOPES = (*USER_SCOPES, "admin")


def issue(secret: str, subject: str, scopes: tuple[str, ...]) -> str:
    """A token with the claims that ``heliograph_common.auth`` requires (RFC 8725 section 3; scope: RFC 8693 section 4.2)."""
    now = datetime.now(UTC)
    claims = {
        "sub": subject,
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + _LIFETIME,
        "scope": " ".join(scopes),
    }
    return jwt.encode(claims, secret, algorithm="HS256")

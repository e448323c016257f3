"""Users' tokens for providers, in files: as they are, or as Google's and Dropbox' own libraries write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from heliograph_client.errors import HeliographError
from heliograph_client.import_models import ProviderToken

_OTHER_NAMES = {"token": "access_token", "oauth2_access_token": "access_token", "expiry": "expires_at"}


def token_in(path: Path) -> ProviderToken:
    """The token in a file: JSON, or the access token alone.

    Raises:
        HeliographError: it holds none. What it holds is not told.
        OSError: it cannot be read.
    """
    text = path.read_text(encoding="utf-8").strip()
    try:
        read: Any = json.loads(text) if text.startswith("{") else {"access_token": text}
        named = {_OTHER_NAMES.get(name, name): value for name, value in read.items()}
        token = ProviderToken(**{name: value for name, value in named.items() if name in ProviderToken.model_fields})
    except (ValueError, ValidationError):
        raise _no_token(path) from None
    if not token.access_token:
        raise _no_token(path)
    return token


def _no_token(path: Path) -> HeliographError:
    return HeliographError(
        f"{path} holds no token; write the access token into it, or JSON with access_token and, if any, refresh_token"
    )

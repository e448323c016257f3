"""Where the doubles answer, and what services must be told to ask them in place of the providers. Needs none of their
dependencies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from heliograph_local.errors import LocalError

GOOGLE, DROPBOX, WEB = "/google", "/dropbox", "/web"
OPENAI, USER_SERVICE, UNSPLASH = "/openai", "/user-service", "/unsplash"
"""The paths below which each double answers."""
DRIVE_KEY = "api-key-of-the-double"
APP_KEY, APP_SECRET = "double-key", "double-secret"
OPENAI_KEY = "sk-double-of-openai"
UNSPLASH_KEY = "access-key-of-the-double"
USER_SERVICE_TOKEN = "token-of-the-double"  # noqa: S105 - of the double

_NEEDED = ("googleapiclient", "dropbox", "openai", "jsonschema", "starlette", "uvicorn")


@dataclass(frozen=True)
class Doubles:
    """That the doubles run. ``pictures``: a folder of this machine that one of them serves, too. ``calls``: a file that gets
    what the model was asked, ``photo_calls`` one for what Unsplash was asked."""

    pictures: Path | None = None
    calls: Path | None = None
    photo_calls: Path | None = None


def importer_environment(base_url: str) -> dict[str, str]:
    """Variables of an importer that imports from the doubles at ``base_url``, and from nowhere else on this machine."""
    return {
        "HELIOGRAPH_GOOGLE_DRIVE__BASE_URL": f"{base_url}{GOOGLE}/drive/v3/",
        "HELIOGRAPH_GOOGLE_DRIVE__TOKEN_URL": f"{base_url}{GOOGLE}/token",
        "HELIOGRAPH_GOOGLE_DRIVE__API_KEY": DRIVE_KEY,
        "HELIOGRAPH_DROPBOX__API_URL": f"{base_url}{DROPBOX}/api",
        "HELIOGRAPH_DROPBOX__CONTENT_URL": f"{base_url}{DROPBOX}/content",
        "HELIOGRAPH_DROPBOX__APP_KEY": APP_KEY,
        "HELIOGRAPH_DROPBOX__APP_SECRET": APP_SECRET,
        "HELIOGRAPH_UNSPLASH__BASE_URL": f"{base_url}{UNSPLASH}",
        "HELIOGRAPH_UNSPLASH__ACCESS_KEY": UNSPLASH_KEY,
        "HELIOGRAPH_URLS__ALLOWED_NETWORKS": json.dumps(["127.0.0.0/8"]),
    }


def analyzer_environment(base_url: str) -> dict[str, str]:
    """Variables of an analyzer that asks the double of OpenAI at ``base_url``."""
    return {"HELIOGRAPH_OPENAI__BASE_URL": f"{base_url}{OPENAI}/v1", "HELIOGRAPH_OPENAI__API_KEY": OPENAI_KEY}


def gateway_environment(base_url: str) -> dict[str, str]:
    """Variables of a gateway that saves food entries in the double of a user service at ``base_url``."""
    return {
        "HELIOGRAPH_FOOD__USER_SERVICE_URL": f"{base_url}{USER_SERVICE}",
        "HELIOGRAPH_FOOD__USER_SERVICE_TOKEN": USER_SERVICE_TOKEN,
    }


def environment(service: str, base_url: str) -> dict[str, str]:
    """Variables of a service, by its name, that asks the doubles at ``base_url``; those of most are none."""
    told = {"gateway": gateway_environment, "importer": importer_environment, "analyzer": analyzer_environment}
    return told[service](base_url) if service in told else {}


def check_installed() -> None:
    """
    Raises:
        LocalError: something that the doubles need is not installed.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise LocalError(
            f"not installed: {', '.join(missing)}; install the doubles with: pip install 'heliograph-local[doubles]'"
        )

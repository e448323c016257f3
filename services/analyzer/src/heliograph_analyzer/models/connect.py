"""Makes the model that is configured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from heliograph_analyzer.models.chat import ChatModel
from heliograph_analyzer.models.credentials import Credentials
from heliograph_analyzer.models.port import VisionModel
from heliograph_analyzer.models.responses import ResponsesModel
from heliograph_analyzer.settings import OpenAISettings


def credentials_of(settings: OpenAISettings, file: Callable[[], Path | None] = lambda: None) -> Credentials:
    """The key of the file that ``file`` names at the time, if there is one, else of the settings."""
    key = settings.api_key
    return Credentials(key.get_secret_value() if key else None, file=file)


def connect(settings: OpenAISettings, credentials: Credentials) -> VisionModel:
    """The adapter of the API that the server speaks; it makes no request."""
    return ResponsesModel(settings, credentials) if settings.api == "responses" else ChatModel(settings, credentials)

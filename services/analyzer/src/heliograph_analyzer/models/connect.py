"""Makes the model that is configured."""

from __future__ import annotations

from heliograph_analyzer.models.chat import ChatModel
from heliograph_analyzer.models.credentials import Credentials
from heliograph_analyzer.models.port import VisionModel
from heliograph_analyzer.models.responses import ResponsesModel
from heliograph_analyzer.settings import OpenAISettings


def credentials_of(settings: OpenAISettings) -> Credentials:
    """The key of the file, if one is named, else of the settings."""
    key = settings.api_key
    return Credentials(key.get_secret_value() if key else None, file=settings.api_key_file)


def connect(settings: OpenAISettings, credentials: Credentials) -> VisionModel:
    """The adapter of the API that the server speaks; it makes no request."""
    return ResponsesModel(settings, credentials) if settings.api == "responses" else ChatModel(settings, credentials)

"""Makes the model that is configured."""

from __future__ import annotations

from heliograph_analyzer.models.chat import ChatModel
from heliograph_analyzer.models.port import VisionModel
from heliograph_analyzer.models.responses import ResponsesModel
from heliograph_analyzer.settings import OpenAISettings
from heliograph_common.auth.late_key import LateKey


def credentials_of(settings: OpenAISettings) -> LateKey:
    """The key of the file that ``openai.api_key`` is read from, once there is one, else that of the settings."""
    return LateKey.of(settings.api_key, "openai", "api_key")


def connect(settings: OpenAISettings, credentials: LateKey) -> VisionModel:
    """The adapter of the API that the server speaks; it makes no request."""
    return ResponsesModel(settings, credentials) if settings.api == "responses" else ChatModel(settings, credentials)

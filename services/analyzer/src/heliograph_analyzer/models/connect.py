"""Makes the model that is configured."""

from __future__ import annotations

from functools import partial

from heliograph_analyzer.models.chat import ChatModel
from heliograph_analyzer.models.credentials import Credentials
from heliograph_analyzer.models.port import VisionModel
from heliograph_analyzer.models.responses import ResponsesModel
from heliograph_analyzer.settings import OpenAISettings
from heliograph_common.setting_sources import secret_path


def credentials_of(settings: OpenAISettings) -> Credentials:
    """The key of the file that ``openai.api_key`` is read from, once there is one, else that of the settings."""
    key = settings.api_key
    return Credentials(key.get_secret_value() if key else None, file=partial(secret_path, "openai", "api_key"))


def connect(settings: OpenAISettings, credentials: Credentials) -> VisionModel:
    """The adapter of the API that the server speaks; it makes no request."""
    return ResponsesModel(settings, credentials) if settings.api == "responses" else ChatModel(settings, credentials)

"""What an analyzer reads from its environment."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, Json, SecretStr, model_validator

from heliograph_analyzer.prices import DEFAULT_PRICES, Price
from heliograph_common.setting_sources import LATE
from heliograph_common.settings import LimitSettings, ServiceSettings


def _key(value: Any) -> Any:
    """Files and pasted values have white space around them, which no key has. What is empty is no key."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return SecretStr(text.strip()) if isinstance(text, str) and text.strip() else None


def _all_prices(value: Any) -> Any:
    return {**DEFAULT_PRICES, **value} if isinstance(value, dict) else value


_Prices = Annotated[dict[str, Price], BeforeValidator(_all_prices)]


class OpenAISettings(BaseModel):
    """The vision model: OpenAI's, or one of a server that is compatible with its API."""

    base_url: str = Field(
        "https://api.openai.com/v1",
        pattern=r"^https?://[^/\s?#@]+(/[^\s?#]*)?$",
        description="Base URL of the API, with its version.",
    )
    api_key: Annotated[SecretStr | None, BeforeValidator(_key), LATE] = Field(
        None,
        description="API key. Without one, analyses wait. For servers that need none, any text. Set it from a file: a key "
        "that appears or changes in the file is used without a restart.",
    )
    api: Literal["responses", "chat"] = Field(
        "responses",
        description="API to use: `responses` for OpenAI, `chat` (Chat Completions) for compatible servers such as vLLM, "
        "Ollama and llama.cpp.",
    )
    model: str = Field("gpt-4.1-mini", min_length=1, max_length=200, description="Name of the model.")
    detail: Literal["low", "high"] = Field(
        "high", description="How closely the model looks at pictures; `low` costs fewer tokens."
    )
    timeout_seconds: float = Field(60.0, gt=0, description="Time limit of a request, in seconds.")
    prices: Annotated[Json[_Prices] | _Prices, Field(validate_default=True)] = Field(
        {},
        description="Prices by model in US dollars per million tokens, as JSON: "
        '`{"my-model": {"input": 0.4, "output": 1.6, "cached_input": 0.1}}`. They add to and replace those of well-known '
        "models. A name stands for its dated versions too, and one that ends with `*` for all that begin with it. Models "
        "without a price have unknown cost.",
    )


class AnalyzerOwnSettings(BaseModel):
    """Analyzing."""

    slots: int = Field(4, ge=1, description="Number of images analyzed concurrently by a process.")
    window: int = Field(
        32,
        ge=2,
        le=5_000,
        description="Number of analyses under way in the installation at a time, shared fairly; half for one owner.",
    )
    max_attempts: int = Field(
        5, ge=1, description="Failed attempts after which an analysis is marked as failed. Waiting does not count."
    )
    hold_seconds: float = Field(
        180.0,
        gt=0,
        description="Time limit of an attempt, in seconds: a question and its repair, and what they wait for.",
    )
    owner_tokens_per_day: int | None = Field(
        None,
        ge=1,
        description="Maximum number of tokens (input and output) per owner and day (UTC). If not set, there is no maximum.",
    )
    installation_tokens_per_day: int | None = Field(
        None,
        ge=1,
        description="Maximum number of tokens (input and output) per day (UTC) for all owners together. If not set, there "
        "is no maximum.",
    )
    max_days: float = Field(
        30.0, gt=0, description="Days after which an analysis that could not be begun fails; it can be requested again."
    )
    patience: float = Field(
        5.0, ge=0, description="Seconds to wait for delivery by NATS before work is taken from PostgreSQL."
    )
    keep_days: float = Field(400.0, gt=0, description="Days for which calls to the model are kept for the costs.")


HOLD_BESIDE_CALLS = 20.0
"""Seconds of an attempt beside its question and its repair: the probe, the picture, PostgreSQL."""


class AnalyzerSettings(ServiceSettings):
    """All settings of the analyzer."""

    limits: LimitSettings = LimitSettings()
    analyzer: AnalyzerOwnSettings = AnalyzerOwnSettings()
    openai: OpenAISettings = OpenAISettings()

    @model_validator(mode="after")
    def _calls_end(self) -> Self:
        """A call that is cut off may be paid for, and is made again."""
        least = 2 * self.openai.timeout_seconds + HOLD_BESIDE_CALLS
        if self.analyzer.hold_seconds < least:
            raise ValueError(
                f"analyzer.hold_seconds ({self.analyzer.hold_seconds:g}) must be at least 2 * openai.timeout_seconds + "
                f"{HOLD_BESIDE_CALLS:g} ({least:g}): otherwise answers that are paid for are discarded"
            )
        return self

"""The vision models that ``test_models`` holds to their port: each in a harness, over the double of its provider."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar, Literal

from pydantic import SecretStr
from tests.ports.relay import Relay, relayed
from tests.unit.analyzer.fake_model import FakeModel

from heliograph_analyzer.models.connect import connect
from heliograph_analyzer.models.port import (
    CredentialsRefused,
    ModelFailed,
    QuestionRejected,
    RateLimited,
    VisionModel,
)
from heliograph_analyzer.settings import OpenAISettings
from heliograph_common.auth.late_key import LateKey
from heliograph_common.errors import HeliographError
from heliograph_local.doubles.faults import Fault
from heliograph_local.doubles.openai import KEY, OpenAIDouble, digest
from heliograph_local.doubles.serving import served

MODEL = "gpt-4.1-mini"


class ModelHarness(ABC):
    """A model, and what a test does to its provider."""

    name: ClassVar[str]
    model: VisionModel

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ModelHarness]:
        """While the block runs, the provider answers."""
        yield self
        await self.model.close()

    @abstractmethod
    def tell(self, picture: bytes, what: object) -> None:
        """From now on ``what`` is the answer about a picture."""

    @abstractmethod
    def misbehave(self, fault: Fault) -> None:
        """See ``Fault``."""

    @abstractmethod
    async def leave(self) -> None:
        """Nobody answers any more."""

    @abstractmethod
    def asked(self) -> Sequence[tuple[str, str]]:
        """The picture's digest and the text of each question that came."""


class ModelOverHttp(ModelHarness):
    """A harness whose provider is the double, behind a relay."""

    api: ClassVar[Literal["responses", "chat"]]
    relay: Relay
    credentials: LateKey

    def __init__(self) -> None:
        self.double = OpenAIDouble()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ModelHarness]:
        """Ends with the proof that requests and answers were such as the vendor has."""
        async with served(self.double.app) as upstream, relayed(upstream) as self.relay:
            settings = self.settings()
            self.credentials = LateKey(KEY)
            self.model = connect(settings, self.credentials)
            async with super().running():
                yield self
        assert self.double.behaviour.violations == []

    def settings(self) -> OpenAISettings:
        """Of the model."""
        return OpenAISettings(
            base_url=f"{self.relay.url}/v1", api_key=SecretStr(KEY), api=self.api, model=MODEL, timeout_seconds=20.0
        )

    def tell(self, picture: bytes, what: object) -> None:
        self.double.tell(digest(picture), what)

    def misbehave(self, fault: Fault) -> None:
        self.double.behaviour.misbehave(fault)

    async def leave(self) -> None:
        await self.relay.cut()

    def asked(self) -> Sequence[tuple[str, str]]:
        return [(call.picture, call.text) for call in self.double.calls]


class ResponsesHarness(ModelOverHttp):
    """The Responses API."""

    name = "responses"
    api = "responses"


class ChatHarness(ModelOverHttp):
    """Chat Completions."""

    name = "chat"
    api = "chat"


class FakeHarness(ModelHarness):
    """The model in memory with which the analyzer is tested."""

    name = "fake"

    def __init__(self) -> None:
        self._fake = self.model = FakeModel(name=MODEL)

    def tell(self, picture: bytes, what: object) -> None:
        self._fake.results[digest(picture)] = what

    def misbehave(self, fault: Fault) -> None:
        match fault.kind:
            case "refusal":
                self._fake.refusal = "I cannot"
            case "filtered" | "too_long":
                self._fake.result, self._fake.finish = "", fault.kind
                self._fake.results.clear()
            case "empty":
                self._fake.results.clear()
            case _:
                self._fake.failing = _error(fault)

    async def leave(self) -> None:
        self._fake.away = True

    def asked(self) -> Sequence[tuple[str, str]]:
        return [
            (digest(each.picture), f"{each.instructions}\n{each.text}\n{each.previous}\n{each.complaint}")
            for each in self._fake.questions
        ]


def _error(fault: Fault) -> HeliographError:
    match fault.kind, fault.status:
        case "rate_limited", _:
            return RateLimited("later", delay=fault.retry_after)
        case "quota", _:
            return RateLimited("spent", spent=True)
        case "error", 401 | 403:
            return CredentialsRefused("refused")
        case "error", status if status < 500:
            return QuestionRejected("rejected")
        case _:
            return ModelFailed("failed", paid=fault.kind == "cut_off")


HARNESSES: tuple[type[ModelHarness], ...] = (ResponsesHarness, ChatHarness, FakeHarness)

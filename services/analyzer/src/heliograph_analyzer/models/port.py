"""What the analyzer needs of a vision model, and what may go wrong there. ``responses`` and ``chat`` are its adapters;
``tests/ports/test_models`` holds both, and a fake, to it.

An adapter translates its vendor's answers into these types and errors at its edge. It bounds each wait on a server, keeps
the API key out of errors, logs and spans, and leaves retries to its callers: it never tries again by itself, because
a question that is sent again may be paid for again.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol, get_args

from heliograph_common.errors import Permanent, RemoteFailure, Temporary

Finish = Literal["complete", "too_long", "refused", "filtered"]
"""How an answer ended: by itself, at ``max_output_tokens`` or our own limit of its size, because the model does not want to
answer, or because the provider's filter stopped it."""

LONGEST_ANSWER = 100_000
"""Characters of an answer that are kept. The results of all profiles are far shorter."""
_LONGEST_NAME = 200


class CredentialsMissing(Temporary):
    """There is no API key: set HELIOGRAPH_OPENAI__API_KEY, or the file that HELIOGRAPH_OPENAI__API_KEY_FILE names."""


class CredentialsRefused(Temporary):
    """The provider does not accept the API key: replace it. It is not sent with questions until a probe succeeds, or, where
    that cannot tell, but for one question now and then."""


class RateLimited(Temporary):
    """The provider wants no more questions for ``delay`` seconds (``None``: it does not say). ``spent``: the account has no
    credit left, so that waiting for seconds does not help: add credit or raise the account's limit."""

    def __init__(self, message: str, *, delay: float | None = None, spent: bool = False) -> None:
        super().__init__(message, delay=delay)
        self.spent = spent


class ModelFailed(RemoteFailure):
    """The provider did not answer in time, failed, or broke off: ask again later. ``paid``: it may charge for the question
    all the same. ``delay``: seconds after which it wants to be asked again, if it says so."""

    def __init__(self, message: str, *, paid: bool, delay: float | None = None) -> None:
        super().__init__(message, delay=delay)
        self.paid = paid


class QuestionRejected(Permanent):
    """The provider does not take this question, and trying again does not help: the message names the remedy.
    ``misconfigured``: it has no such model or API, and takes no other question either until the settings are corrected."""

    def __init__(self, message: str, *, misconfigured: bool = False) -> None:
        super().__init__(message)
        self.misconfigured = misconfigured


@dataclass(frozen=True, kw_only=True)
class Question:
    """A picture and what is to be told about it. ``schema`` is a strict JSON schema of the answer and ``schema_name`` its
    name (``[a-zA-Z0-9_-]{1,64}``); ``max_output_tokens`` bounds the answer. For a repair, ``previous`` is what was answered
    before, and ``complaint`` what is wrong with it."""

    instructions: str
    text: str
    picture: bytes = field(repr=False)
    mime_type: str
    schema_name: str
    schema: Mapping[str, Any] = field(repr=False)
    max_output_tokens: int
    previous: str | None = None
    complaint: str | None = None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens that the provider counted. ``cached_tokens`` are those of ``input_tokens`` that cost less because it had them
    already. All are 0 where a server does not count."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model answered: ``text`` is not validated, and at most ``LONGEST_ANSWER`` characters of what can be stored
    (no NUL, no lone surrogate). ``model`` is the one that answered, which may be more exact than the one asked;
    ``refusal`` is in the model's words."""

    text: str
    finish: Finish
    usage: Usage
    model: str
    response_id: str
    refusal: str | None = None

    def __post_init__(self) -> None:
        """Bounds and cleans texts here, so that what is judged now and what is read after a crash are the same."""
        if self.finish == "complete" and len(self.text) > LONGEST_ANSWER:
            object.__setattr__(self, "finish", "too_long")
        object.__setattr__(self, "text", _storable(self.text, LONGEST_ANSWER))
        object.__setattr__(self, "model", _storable(self.model, _LONGEST_NAME))
        object.__setattr__(self, "response_id", _storable(self.response_id, _LONGEST_NAME))
        if self.refusal is not None:
            object.__setattr__(self, "refusal", _storable(self.refusal, LONGEST_ANSWER))

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Answer:
        """The answer that ``to_json`` made ``stored`` of.

        Raises:
            ValueError: it did not.
        """
        try:
            if stored["finish"] not in get_args(Finish):
                raise ValueError(f"unknown finish {stored['finish']!r}")
            return cls(**{**stored, "usage": Usage(**stored["usage"])})
        except (KeyError, TypeError) as error:
            raise ValueError("stored answer does not have the shape of one") from error


class VisionModel(Protocol):
    """A model of one provider. Methods may be called side by side."""

    @property
    def name(self) -> str:
        """The model, as it is asked for."""

    @property
    def provider(self) -> str:
        """Who runs it, for spans and metrics: ``openai``."""

    @property
    def detail(self) -> str:
        """How closely it looks at pictures: ``low`` or ``high``."""

    async def ask(self, question: Question) -> Answer:
        """Asks once.

        Raises:
            CredentialsMissing, CredentialsRefused, RateLimited, ModelFailed, QuestionRejected: see there.
        """

    async def probe(self) -> None:
        """Makes a request that costs nothing, to tell whether the provider answers, takes the key and has the model.

        Raises:
            CredentialsMissing, CredentialsRefused, RateLimited, ModelFailed, QuestionRejected: see there.
        """

    async def close(self) -> None:
        """Ends its connections."""


def repair(question: Question, *, previous: str, complaint: str) -> Question:
    """The same question with what was wrong about the answer."""
    return replace(question, previous=previous, complaint=complaint)


def _storable(text: str, longest: int) -> str:
    return "".join("\ufffd" if each == "\0" or unicodedata.category(each) == "Cs" else each for each in text[:longest])

"""What to do next about a picture, by the answers that there are: ask, ask for a repair, or end. Pure.

The answers are stored before anything is made of them, so a crash leads to the same step again, without another question.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from pydantic import ValidationError

from heliograph_analyzer.models.port import Answer, Question
from heliograph_analyzer.profiles import texts
from heliograph_analyzer.profiles.port import Profile
from heliograph_common.excerpts import excerpt

MOST_QUESTIONS = 2
"""A question and its repair."""
LONGEST_PREVIOUS = 4_000
LONGEST_COMPLAINT = 1_000
LONGEST_REASON = 1_000
_MOST_PROBLEMS = 8
_LONGEST_PROBLEM = 100
_LONGEST_TOLD = LONGEST_COMPLAINT - 100

Code = Literal["refused", "invalid_answer", "answer_too_long"]

_FENCE = "```"
_TOO_LONG = frozenset({"string_too_long", "too_long"})


@dataclass(frozen=True)
class Ask:
    """A question is to be asked: the first, or with what was answered (``previous``) and what is wrong with that
    (``complaint``) for a repair."""

    previous: str | None = None
    complaint: str | None = None


@dataclass(frozen=True)
class Done:
    """``result`` is valid, by the keys of the API, and can be stored."""

    result: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """There is no result: ``code`` for programs, and ``reason`` for people, with the remedy."""

    code: Code
    reason: str


@dataclass(frozen=True)
class _Problem:
    """What is wrong with an answer; ``too_long`` if it is only its length."""

    text: str
    too_long: bool = False


def next_step(profile: Profile, answers: Sequence[Answer]) -> Ask | Done | Failed:
    """The step after ``answers``, the oldest first. After one that is no result there is one repair."""
    if not answers:
        return Ask()
    last = answers[-1]
    if last.finish in {"refused", "filtered"}:
        return _refused(last)
    judged = _judged(profile, last)
    if isinstance(judged, dict):
        return Done(judged)
    if len(answers) < MOST_QUESTIONS:
        return Ask(previous=last.text[:LONGEST_PREVIOUS], complaint=_complaint(judged))
    return _failed(profile, judged)


def question(profile: Profile, step: Ask, *, picture: bytes, mime_type: str) -> Question:
    """The question of a step. Nothing of the picture, its name or its owner gets into the instructions."""
    return Question(
        instructions=profile.prompt,
        text=profile.text,
        picture=picture,
        mime_type=mime_type,
        schema_name=profile.name,
        schema=profile.schema,
        max_output_tokens=profile.max_output_tokens,
        previous=step.previous,
        complaint=step.complaint,
    )


def _judged(profile: Profile, answer: Answer) -> dict[str, Any] | _Problem:
    """The result that an answer has, or what is wrong with it."""
    if not answer.text.strip():
        return _Problem("the answer is empty", too_long=answer.finish == "too_long")
    try:
        told = texts.clean(json.loads(_unfenced(answer.text), parse_constant=_no_number))
    except (ValueError, RecursionError):
        if answer.finish == "too_long":
            return _Problem("the answer is too long and was cut off: be brief", too_long=True)
        return _Problem("the answer is not valid JSON")
    try:
        return profile.result.model_validate(told).model_dump(mode="json", by_alias=True)
    except ValidationError as error:
        return _problem(error)


def _unfenced(text: str) -> str:
    """Without the code fence that models put around JSON where a server does not hold them to a schema. In time that is
    proportional to the text: it is the model's, and this runs on the event loop."""
    first, _, rest = text.strip().partition("\n")
    opens = first.startswith(_FENCE) and first.removeprefix(_FENCE).strip().lower() in {"", "json"}
    return rest.removesuffix(_FENCE) if opens and rest.endswith(_FENCE) else text


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _problem(error: ValidationError) -> _Problem:
    """What the fields of an answer lack. Values are left out: they are the model's, and may be of any length."""
    found = error.errors(include_url=False, include_input=False)
    problems = [
        excerpt(f"{'.'.join(map(str, each['loc'])) or 'answer'}: {each['msg']}", _LONGEST_PROBLEM)
        for each in found[:_MOST_PROBLEMS]
    ]
    if len(found) > _MOST_PROBLEMS:
        problems.append(f"and {len(found) - _MOST_PROBLEMS} more")
    return _Problem("; ".join(problems), too_long=all(each["type"] in _TOO_LONG for each in found))


def _complaint(problem: _Problem) -> str:
    told = f"Your answer cannot be used: {problem.text}."[:_LONGEST_TOLD]
    return f"{told} Answer again, with one JSON object of the given schema and nothing else."


def _failed(profile: Profile, problem: _Problem) -> Failed:
    if problem.too_long:
        code: Code = "answer_too_long"
        reason = (
            f"The model's answers to profile {profile.name} are too long ({problem.text}): retry, or configure another "
            "model"
        )
    else:
        code = "invalid_answer"
        reason = (
            f"The model's answers do not match profile {profile.name} ({problem.text}): retry, or configure a model that "
            "supports structured outputs"
        )
    return Failed(code, excerpt(reason, LONGEST_REASON))


def _refused(answer: Answer) -> Failed:
    if answer.finish == "filtered":
        return Failed("refused", "The provider's content filter stopped the answer: use another picture")
    told = f" ({excerpt(answer.refusal)})" if answer.refusal and answer.refusal.strip() else ""
    return Failed("refused", f"The model refuses to analyze this picture{told}: use another picture")

"""Answers to questions: what is said, with the faults that change what is said, in the forms of the two APIs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from heliograph_local.doubles.faults import Kind
from heliograph_local.doubles.openai import made_up
from heliograph_local.doubles.openai.questions import Question, tokens
from heliograph_local.doubles.openai.schema import CHAT
from heliograph_local.doubles.openai.texts import MADE_UP

_REFUSAL = "I'm sorry, but I can't help with identifying what is in this image."


@dataclass(frozen=True)
class Said:
    """``end`` is how it ended."""

    text: str
    end: Literal["complete", "too_long", "filtered"] = "complete"
    refusal: str | None = None

    @property
    def tokens(self) -> int:
        """What it costs."""
        return tokens(self.text) + tokens(self.refusal or "")


def said(question: Question, text: str | None, fault: Kind | None) -> Said:
    """What is answered: ``text``, or else something made up; changed by ``fault``, cut at the question's limit of tokens.

    Raises:
        CannotMakeUp: nothing that is made up here would fit the schema.
    """
    whole = Said(made_up.text(question.schema, question.about or "0" * 64) if text is None else text)
    whole = _CHANGED[fault](whole) if fault in _CHANGED else whole
    limit = question.max_output_tokens
    if limit is not None and whole.tokens > limit and whole.refusal is None:
        return replace(whole, text=whole.text[: 4 * limit], end="too_long")
    return whole


def form(question: Question, body: dict[str, Any], answer: Said, number: int) -> dict[str, Any]:
    """The answer as the API gives it; ``number`` tells it from others."""
    ident = f"{number:08x}{(question.about or '0' * 40)[:40]}"
    return (_completion if question.call == CHAT else _response)(question, body, answer, ident)


def _response(question: Question, body: dict[str, Any], answer: Said, ident: str) -> dict[str, Any]:
    complete = answer.end == "complete"
    reason = {"too_long": "max_output_tokens", "filtered": "content_filter"}.get(answer.end)
    now = int(time.time())
    return {
        "id": f"resp_{ident}",
        "object": "response",
        "created_at": now,
        "completed_at": now if complete else None,
        "status": "completed" if complete else "incomplete",
        "background": False,
        "error": None,
        "incomplete_details": None if reason is None else {"reason": reason},
        "instructions": body.get("instructions"),
        "max_output_tokens": question.max_output_tokens,
        "model": question.model,
        "output": _output(answer, ident),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": (body.get("reasoning") or {}).get("effort"), "summary": None},
        "service_tier": "default",
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text", {"format": {"type": "text"}}),
        "tool_choice": "auto",
        "tools": [],
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "metadata": body.get("metadata") or {},
        "usage": {
            "input_tokens": question.input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": answer.tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": question.input_tokens + answer.tokens,
        },
    }


def _output(answer: Said, ident: str) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    if answer.refusal is not None:
        content = [{"type": "refusal", "refusal": answer.refusal}]
    elif answer.text:
        content = [{"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}]
    if not content:
        return []
    status = "completed" if answer.end == "complete" else "incomplete"
    return [{"id": f"msg_{ident}", "type": "message", "role": "assistant", "status": status, "content": content}]


def _completion(question: Question, _: dict[str, Any], answer: Said, ident: str) -> dict[str, Any]:
    finish = {"complete": "stop", "too_long": "length", "filtered": "content_filter"}[answer.end]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if answer.refusal is not None else answer.text,
        "refusal": answer.refusal,
        "annotations": [],
    }
    return {
        "id": f"chatcmpl-{ident}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": question.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "service_tier": "default",
        "system_fingerprint": None,
        "usage": {
            "prompt_tokens": question.input_tokens,
            "completion_tokens": answer.tokens,
            "total_tokens": question.input_tokens + answer.tokens,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
    }


def _prose(_: Said) -> Said:
    return Said(f"Sure! {MADE_UP}I see something on this picture, and would rather tell it in a sentence.")


def _missing_key(whole: Said) -> Said:
    """Without the first key of the answer."""
    told = json.loads(whole.text)
    return Said(json.dumps(dict([*told.items()][1:]), ensure_ascii=False))


def _wrong_type(whole: Said) -> Said:
    """The first value is an object, or a text where it should be one."""
    told = json.loads(whole.text)
    first = next(iter(told))
    told[first] = "made up" if isinstance(told[first], dict) else {"made": "up"}
    return Said(json.dumps(told, ensure_ascii=False))


_CHANGED: Mapping[Kind | None, Callable[[Said], Said]] = {
    "refusal": lambda _: Said("", refusal=_REFUSAL),
    "prose": _prose,
    "missing_key": _missing_key,
    "wrong_type": _wrong_type,
    "too_long": lambda whole: Said(whole.text[: len(whole.text) // 2], end="too_long"),
    "filtered": lambda _: Said("", end="filtered"),
    "empty": lambda _: Said(""),
}

CHANGES: tuple[Kind, ...] = tuple(kind for kind in _CHANGED if kind is not None)
"""The faults that change what is said."""

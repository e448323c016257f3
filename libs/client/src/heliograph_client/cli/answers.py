"""Analyses in words: what was answered, how sure, what it used, and why there is no answer. Pure.

Profiles are files that anyone can add: of an unknown one, the text that says most is shown.
"""

from __future__ import annotations

import json
from typing import Any

from heliograph_client.analysis_models import Analysis
from heliograph_client.cli.tables import moment

_TEXTS = ("caption", "name", "title", "summary", "altText", "text")
_LONGEST = 100


def answer_of(found: Analysis) -> str:
    """The answer in one line, such as ``Lentil soup, 410 kcal``."""
    result = found.result or {}
    if result.get("isFood") is False:
        return "nothing edible"
    said = next((told for name in _TEXTS if isinstance(told := result.get(name), str) and told.strip()), None)
    if said is None:
        said = json.dumps(result, ensure_ascii=False) if result else ""
    said = " ".join(said.split())
    said = said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"
    calories = _number(result.get("calories"))
    return f"{said}, {calories:.0f} kcal" if calories is not None else said


def confidence_of(found: Analysis) -> str:
    """Such as ``92 %``; empty where the profile has none."""
    sure = _number((found.result or {}).get("confidence"))
    return "" if sure is None else f"{sure:.0%}".replace("%", " %")


def tokens_of(found: Analysis) -> str:
    """All tokens of an analysis."""
    return count(found.usage.input_tokens + found.usage.output_tokens)


def cost_of(found: Analysis) -> str:
    """Its cost; ``unknown`` where calls were made whose price is unknown."""
    if found.usage.cost_usd is None:
        return "unknown" if found.usage.calls else ""
    return dollars(found.usage.cost_usd)


def waits(found: Analysis) -> str | None:
    """What an analysis waits for, and until when."""
    if found.waiting is None:
        return None
    until = f" until {moment(found.waiting.until)}" if found.waiting.until else ""
    return f"waiting{until}: {found.waiting.reason}"


def reason_of(found: Analysis) -> str | None:
    """Why an analysis failed; ``None`` where it has not."""
    if found.status != "failed":
        return None
    return (found.error.reason or found.error.code) if found.error else "unknown reason"


def dollars(usd: float) -> str:
    """An amount to a hundredth of a cent; less than that is not called nothing."""
    return "< $0.0001" if 0 < usd < 0.0001 else f"${usd:,.4f}"


def count(number: int) -> str:
    """A number as people read it."""
    return f"{number:,}"


def lines_of(result: dict[str, Any]) -> list[tuple[str, str]]:
    """The fields of a result, each with its value in words."""
    return [(name, _shown(value)) for name, value in result.items()]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_shown(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items())
    return "" if value is None else " ".join(str(value).split())


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

"""The options of an upload, whatever way it comes in: priority, analysis and name. Pure.

All ways of uploading read their parameters with these, so that the same words mean the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from heliograph_common.contracts.subjects import Priority
from heliograph_common.http.problems import Problem
from heliograph_gateway.http.problems import INVALID_PARAMETER

SOURCE = "upload"
"""What images that were uploaded, in whatever way, have as their ``source``."""


@dataclass(frozen=True, kw_only=True)
class UploadOptions:
    """The options of an upload request. ``name`` is for a request with one picture; empty takes the
    file's own. ``profile``: the analysis, one that ``profile_of`` has let pass."""

    priority: Priority = Priority.NORMAL
    profile: str | None = None
    name: str = ""


def priority_of(value: str) -> Priority:
    """The priority that a client names.

    Raises:
        Problem: there is none of that name.
    """
    try:
        return Priority(value)
    except ValueError:
        known = ", ".join(priority.value for priority in Priority)
        errors = [{"parameter": "priority", "detail": f"Must be one of {known}"}]
        raise Problem(INVALID_PARAMETER, f"`priority`: Must be one of {known}", extra={"errors": errors}) from None


def profile_of(value: str, known: Sequence[str]) -> str | None:
    """The analysis profile that a client names; empty asks for none. ``known``: those of this installation.

    Raises:
        Problem: there is none of that name.
    """
    if not value:
        return None
    if value in known:
        return value
    remedy = (
        f"Must be one of {', '.join(known)}" if known else "Not supported: this installation has no analysis profiles"
    )
    errors = [{"parameter": "analyze", "detail": remedy}]
    raise Problem(INVALID_PARAMETER, f"`analyze`: {remedy}", extra={"errors": errors})

"""The tree that is drawn is the tree that is there."""

from __future__ import annotations

import re

import heliograph_client
from heliograph_client import errors


def test_the_drawing_names_every_error_under_its_parent() -> None:
    stack: list[tuple[int, str]] = []
    drawn: dict[str, str | None] = {}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"([\s│├└─]*)([A-Z]\w+Error|[A-Z]\w+)(\s{2,}|$)", line):
            depth, name = len(match[1]), match[2]
            stack = [each for each in stack if each[0] < depth]
            drawn[name] = stack[-1][1] if stack else None
            stack.append((depth, name))
    there = {
        name: kind.__mro__[1].__name__ if kind is not errors.HeliographError else None
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.HeliographError)
    }
    assert drawn == there


def test_public_names_are_there() -> None:
    assert all(getattr(heliograph_client, name).__name__ == name for name in heliograph_client.__all__)

"""The parameter ``fields``: which parts of an answer the caller wants.

https://developers.google.com/workspace/drive/api/guides/fields-parameter
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

Mask = Mapping[str, Any]
"""Names with the mask of what is in them; ``None`` for all of it. ``*`` stands for every name."""

_TOKEN = re.compile(r"\s*([A-Za-z0-9_.-]+|\*|[,/()])\s*")


@lru_cache(1024)
def parse(fields: str) -> Mask:
    """The mask that ``fields`` describes, such as ``nextPageToken,files(id,capabilities/canDownload)``.

    Raises:
        ValueError: it is malformed.
    """
    tokens = _tokens(fields)
    mask, end = _list(tokens, next(tokens))
    if end:
        raise ValueError(f"unexpected {end!r} in {fields!r}")
    return mask


def select(value: Any, mask: Mask | None) -> Any:
    """The parts of ``value`` in ``mask``."""
    if mask is None:
        return value
    if isinstance(value, list):
        return [select(each, mask) for each in value]
    if not isinstance(value, dict):
        return value
    if "*" in mask:
        return {name: select(inner, mask.get(name, mask["*"])) for name, inner in value.items()}
    return {name: select(value[name], inner) for name, inner in mask.items() if name in value}


def _tokens(fields: str) -> Iterator[str]:
    at = 0
    while at < len(fields):
        match = _TOKEN.match(fields, at)
        if match is None:
            raise ValueError(f"unexpected {fields[at]!r} in {fields!r}")
        yield match[1]
        at = match.end()
    while True:
        yield ""


def _list(tokens: Iterator[str], name: str) -> tuple[dict[str, Any], str]:
    """Items with commas between them, from ``name`` on; with them what follows."""
    mask: dict[str, Any] = {}
    while True:
        item, inner, follows = _item(tokens, name)
        mask[item] = {**mask[item], **inner} if inner and mask.get(item) else inner
        if follows != ",":
            return mask, follows
        name = next(tokens)


def _item(tokens: Iterator[str], name: str) -> tuple[str, dict[str, Any] | None, str]:
    if name in {"", ",", "/", "(", ")"}:
        raise ValueError(f"a name is missing before {name!r}")
    follows = next(tokens)
    if follows == "/":
        below, inner, follows = _item(tokens, next(tokens))
        return name, {below: inner}, follows
    if follows == "(":
        among, closed = _list(tokens, next(tokens))
        if closed != ")":
            raise ValueError(f"a bracket after {name!r} is not closed")
        return name, among, next(tokens)
    return name, None, follows

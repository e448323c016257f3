"""Names of files and folders as providers tell them: any JSON text, while rows hold less."""

from __future__ import annotations

import re

_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def readable(name: str) -> str:
    """``name`` without what no database keeps: NUL, and halves of surrogate pairs."""
    return _NOT_TEXT.sub(_REPLACEMENT, name)

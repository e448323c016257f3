"""The record of what the double was asked: one entry a request that was accepted; in a file, if it is to outlast it."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import msgspec


class Call(msgspec.Struct, kw_only=True):
    """``picture`` is the digest of the first picture (``pictures.digest``), ``text`` all that was said with it. ``status``
    is that of the answer, 0 before it; tokens are those that OpenAI would charge, if the caller got the answer or not;
    ``finished``: it was sent to its end to a caller who was still there."""

    id: str = msgspec.field(default_factory=lambda: uuid4().hex)

    call: str
    model: str
    picture: str
    detail: str
    schema_name: str
    text: str
    status: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    finished: bool = False

    @property
    def charged(self) -> bool:
        """Whether it costs something."""
        return self.input_tokens > 0


class Record:
    """Calls in a file, one line of JSON each time one has changed: what was charged is known even if the double is killed
    then. Without a ``path`` nothing is written."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def write(self, call: Call) -> None:
        """Adds the call as it is now."""
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(call) + b"\n")


def recorded(path: Path) -> list[Call]:
    """The calls of a file as they were last, whichever processes wrote them."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    whole = [msgspec.json.decode(line, type=Call) for line in lines if line.endswith(b"\n")]
    return list({call.id: call for call in whole}.values())

"""The record of what a double was asked, in a file, if it is to outlast the double."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import msgspec


class Entry(msgspec.Struct, kw_only=True):
    """One call; a double adds what is known of it."""

    id: str = msgspec.field(default_factory=lambda: uuid4().hex)


_Entry = TypeVar("_Entry", bound=Entry)


class Record:
    """Calls in a file, one line of JSON each time one has changed: what was asked is known even if the double is killed
    then. Without a ``path`` nothing is written."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def write(self, call: Entry) -> None:
        """Adds the call as it is now."""
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(call) + b"\n")


def recorded(path: Path, kind: type[_Entry]) -> list[_Entry]:
    """The calls of a file as they were last, whichever processes wrote them."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    whole = [msgspec.json.decode(line, type=kind) for line in lines if line.endswith(b"\n")]
    return list({call.id: call for call in whole}.values())

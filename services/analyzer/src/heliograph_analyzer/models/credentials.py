"""The API key, which can appear, change and be refused while the service runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

CHECK_SECONDS = 1.0
"""How long what a file had is believed."""
_LARGEST_FILE = 16 * 1024

State = Literal["configured", "missing credentials", "refused"]


class Credentials:
    """The key that ``file`` has now, or the fixed ``key`` where there is no file to read.

    The file is read again at most once a second, and its content compared, not its time: volumes of Kubernetes exchange
    symbolic links, and times may be the same. A key that was refused counts as refused until another takes its place.
    """

    def __init__(
        self, key: str | None = None, *, file: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._key = (key or "").strip() or None
        self._file = file
        self._clock = clock
        self._checked: float | None = None
        self._refused: str | None = None

    def current(self) -> str | None:
        """The key, also if it was refused; ``None`` if there is none."""
        if self._file is not None and self._due():
            self._key = _read(self._file)
        return self._key

    def state(self) -> State:
        """What health reports."""
        key = self.current()
        if key is None:
            return "missing credentials"
        return "refused" if key == self._refused else "configured"

    def is_refused(self, key: str) -> bool:
        """Whether the provider has refused ``key``, and not accepted it since."""
        return key == self._refused

    def refuse(self, key: str) -> None:
        """Notes that the provider has refused ``key``."""
        self._refused = key

    def accept(self, key: str) -> None:
        """Notes that the provider has accepted ``key``."""
        if key == self._refused:
            self._refused = None

    def __repr__(self) -> str:
        """Without the key."""
        return f"Credentials(file={self._file}, {'none' if self._key is None else 'hidden'})"

    def _due(self) -> bool:
        now = self._clock()
        if self._checked is not None and now - self._checked < CHECK_SECONDS:
            return False
        self._checked = now
        return True


def _read(file: Path) -> str | None:
    """The key in ``file``; ``None`` where it is missing, unreadable, empty, or too large to be one."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_FILE + 1)
        text = content.decode().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if text and len(content) <= _LARGEST_FILE else None

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
    """The key in the file that ``file`` names, or the fixed ``key`` until there is such a file.

    The file is looked up and read again at most once a second, and its content compared, not its time: volumes of Kubernetes
    exchange symbolic links, and times may be the same. A key that was refused counts as refused until another takes its
    place.
    """

    def __init__(
        self,
        key: str | None = None,
        *,
        file: Callable[[], Path | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = (key or "").strip() or None
        self._file = file
        self._in_file = False
        self._clock = clock
        self._checked: float | None = None
        self._refused: str | None = None

    def current(self) -> str | None:
        """The key, also if it was refused; ``None`` if there is none."""
        if self._due():
            found = _read(self._file)
            if found is not None or self._in_file:  # a key that is taken out of its file is not used any more
                self._key, self._in_file = found, True
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
        return "Credentials(none)" if self._key is None else "Credentials(hidden)"

    def _due(self) -> bool:
        now = self._clock()
        if self._checked is not None and now - self._checked < CHECK_SECONDS:
            return False
        self._checked = now
        return True


def _read(find: Callable[[], Path | None]) -> str | None:
    """The key in a file; ``None`` where it is missing, unreadable, empty, or too large to be one."""
    try:
        file = find()
        if file is None:
            return None
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_FILE + 1)
        text = content.decode().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if text and len(content) <= _LARGEST_FILE else None

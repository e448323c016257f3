"""A provider's API key, which can appear, change and be refused while the service runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal, Self

from pydantic import SecretStr

from heliograph_common.setting_sources import secret_path

CHECK_SECONDS = 1.0
"""How long what a file had is believed."""
FIRST_TRIAL, LONGEST_TRIAL = 30.0, 3_600.0
"""Seconds from a refusal to the first question that tries the key again, and at most between two of them."""
_LARGEST_FILE = 16 * 1024

State = Literal["configured", "missing credentials", "refused"]


class LateKey:
    """The key in the file that ``file`` names, or the fixed ``key`` until there is such a file.

    The file is looked up and read again at most once a second, and its content compared, not its time: volumes of Kubernetes
    exchange symbolic links, and times may be the same. A key that was refused counts as refused until another takes its
    place, or it is accepted. Where only a question can tell, one is let through as a trial, at growing distance.
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
        self._trial = False
        self._trials = 0
        self._next_trial = 0.0

    @classmethod
    def of(cls, key: SecretStr | None, group: str, field: str) -> Self:
        """The key of the file that the setting ``group.field`` is read from, once there is one, else ``key``, its value."""
        return cls(key.get_secret_value() if key else None, file=partial(secret_path, group, field))

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
        return "refused" if key == self._refused and not self._trial else "configured"

    def is_refused(self, key: str) -> bool:
        """Whether the provider has refused ``key``, and not accepted it since."""
        return key == self._refused

    def refuse(self, key: str) -> None:
        """Notes that the provider has refused ``key``."""
        if key != self._refused:
            self._trials, self._next_trial = 0, self._clock() + FIRST_TRIAL
        self._refused, self._trial = key, False

    def allow_trial(self, key: str) -> None:
        """Lets one question with a refused ``key`` through, if the last was long enough ago."""
        if key == self._refused and self._clock() >= self._next_trial:
            self._trial = True

    def take_trial(self, key: str) -> bool:
        """Whether a question may be the trial of a refused ``key``. Only one is."""
        if key != self._refused or not self._trial:
            return False
        self._trial = False
        self._trials += 1
        self._next_trial = self._clock() + min(FIRST_TRIAL * 2 ** min(self._trials, 10), LONGEST_TRIAL)
        return True

    def accept(self, key: str) -> None:
        """Notes that the provider has accepted ``key``."""
        if key == self._refused:
            self._refused, self._trial = None, False

    def __repr__(self) -> str:
        """Without the key."""
        return "LateKey(none)" if self._key is None else "LateKey(hidden)"

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

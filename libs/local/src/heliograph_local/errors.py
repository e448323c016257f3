"""What can go wrong with the embedded stack; each message names the remedy and is shown to the user as it is."""

from __future__ import annotations

from heliograph_common.errors import HeliographError


class LocalError(HeliographError):
    """The embedded stack cannot do what was requested: do what the message says."""


class AlreadyRunning(LocalError):
    """Another supervisor holds this data folder: use that one, stop it, or choose another folder."""

    def __init__(self, folder: str, pid: int) -> None:
        super().__init__(f"already running in {folder} (pid {pid}); stop it with: heliograph dev down --data {folder}")
        self.pid = pid


class NotRunning(LocalError):
    """Nothing runs on this data folder: start it with ``heliograph dev up``."""


class StartFailed(LocalError):
    """A process of the stack did not become ready: read the end of its log, which the message carries."""

"""The fake of the relay, of a process that ends right after the commit."""

from __future__ import annotations

from heliograph_common.messaging.outbox import Message


class NoRelay:
    """``AfterCommit`` that publishes nothing: what a transaction causes stays in the outbox."""

    def submit(self, messages: list[Message]) -> None:
        """See ``AfterCommit.submit``."""

"""Tells news of an image from what comes too late, by its revision. Pure.

Events of one image can be published out of their order: what a process left behind when it died is sent after what others
have done since. The server says so by ``revision``; who follows an image drops what is older than what it knows.
"""

from __future__ import annotations

from collections import OrderedDict


class Revisions:
    """The newest revision of each of the last ``images`` that were heard of. An image that others have pushed out is as one
    never heard of: should an older event of it come then, it passes."""

    def __init__(self, images: int) -> None:
        self._images = images
        self._newest: OrderedDict[str, int] = OrderedDict()

    def take(self, subject: str | None, revision: int) -> bool:
        """Whether this is no older than what is known of ``subject``; all that one change causes has one revision. 0 is
        unknown, and always passes."""
        if subject is None or revision < 1:
            return True
        newest = self._newest.get(subject, 0)
        self._newest[subject] = max(newest, revision)
        self._newest.move_to_end(subject)
        if len(self._newest) > self._images:
            self._newest.popitem(last=False)
        return revision >= newest

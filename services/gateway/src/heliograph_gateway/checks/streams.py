"""The step over streams and consumers: they are there, and as ``contracts.streams`` declares them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from heliograph_gateway.checks.findings import STREAM_DIFFERS, STREAM_MISSING, Finding, Page

Provision = Callable[[], Awaitable[list[str]]]
"""Returns what was, or would be, done: ``created stream WORK``, ``corrected consumer x: ack_wait``."""


class Streams:
    """``drift`` only tells what would be done, ``correct`` does it; both raise ``BusUnavailable``."""

    name = "streams"
    weight = 1

    def __init__(self, drift: Provision, correct: Provision) -> None:
        self._drift = drift
        self._correct = correct

    async def page(self, after: str, *, repair: bool) -> Page:
        """See ``Step.page``; there is one page."""
        found = await (self._correct() if repair else self._drift())
        return Page([_finding(each, repaired=repair) for each in found], None, 1.0)


def _finding(done: str, *, repaired: bool) -> Finding:
    verb, _, rest = done.partition(" ")
    name, _, fields = rest.partition(": ")
    about = {"name": name} | ({"differs": fields} if fields else {})
    return Finding(STREAM_MISSING if verb == "created" else STREAM_DIFFERS, about, repaired)

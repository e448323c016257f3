"""What a client asked to see. A filter only narrows: whose events a client may see at all is decided by its token."""

from __future__ import annotations

from heliograph_notifier.protocol.frames import OF_WORDS, TYPE_PREFIX, Event
from heliograph_notifier.protocol.vocabulary import FilterRequest


class Filter:
    """A compiled ``FilterRequest``."""

    __slots__ = ("_exact", "_ids", "_prefixes", "_word_ids", "all_owners")

    def __init__(self, request: FilterRequest) -> None:
        types = [name.removeprefix(TYPE_PREFIX) for name in request.types]
        self._prefixes = tuple(name[:-1] for name in types if name.endswith("*"))
        self._exact = frozenset(name for name in types if not name.endswith("*"))
        self._ids = frozenset(each.lower() for each in (*request.image_ids, *request.import_ids))
        self._word_ids = frozenset(request.word_ids)  # unlike UUIDs, they differ by the case of their letters
        self.all_owners = request.all_owners

    def passes(self, event: Event) -> bool:
        """Whether the client asked for ``event``."""
        if (self._ids or self._word_ids) and event.subject not in (
            self._word_ids if event.type.startswith(OF_WORDS) else self._ids
        ):
            return False
        if not self._exact and not self._prefixes:
            return True
        return event.type in self._exact or event.type.startswith(self._prefixes)


EVERYTHING = Filter(FilterRequest())

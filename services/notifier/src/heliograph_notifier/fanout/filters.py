"""What a client asked to see. A filter only narrows: whose events a client may see at all is decided by its token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from heliograph_notifier.protocol.frames import TYPE_PREFIX, Event

MAX_ENTRIES = 1000

_Words = Annotated[
    list[Annotated[str, msgspec.Meta(min_length=1, max_length=200)]], msgspec.Meta(max_length=MAX_ENTRIES)
]


class FilterRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A filter as clients write it.

    ``types``: event types, with or without the ``dev.heliograph.`` prefix; ``image.*`` takes all that begin so.
    ``image_ids``: pictures. An empty list lets everything pass. ``all_owners`` needs the admin scope.
    """

    types: _Words = []
    image_ids: _Words = []
    all_owners: bool = False


class Filter:
    """A compiled ``FilterRequest``."""

    __slots__ = ("_exact", "_image_ids", "_prefixes", "all_owners")

    def __init__(self, request: FilterRequest) -> None:
        types = [name.removeprefix(TYPE_PREFIX) for name in request.types]
        self._prefixes = tuple(name[:-1] for name in types if name.endswith("*"))
        self._exact = frozenset(name for name in types if not name.endswith("*"))
        self._image_ids = frozenset(image_id.lower() for image_id in request.image_ids)
        self.all_owners = request.all_owners

    def passes(self, event: Event) -> bool:
        """Whether the client asked for ``event``."""
        if self._image_ids and event.subject not in self._image_ids:
            return False
        if not self._exact and not self._prefixes:
            return True
        return event.type in self._exact or event.type.startswith(self._prefixes)


EVERYTHING = Filter(FilterRequest())


def from_query(query: Mapping[str, Sequence[str]]) -> Filter:
    """The filter in a query string: ``types`` and ``image_ids`` repeated or separated by commas, ``all_owners=true``.

    Raises:
        ValueError: a value is not of that form.
    """
    fields = {
        name: [word for value in query.get(name, ()) for word in value.split(",") if word]
        for name in ("types", "image_ids")
    }
    everyone = query.get("all_owners", ["false"])[-1]
    if everyone not in {"true", "false"}:
        raise ValueError(f"all_owners is true or false, not {everyone!r}")
    return Filter(msgspec.convert({**fields, "all_owners": everyone == "true"}, FilterRequest))

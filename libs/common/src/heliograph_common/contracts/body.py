"""What the bodies of all messages have in common, and those of commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

import msgspec


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What all bodies have: the type's name and the version of its contract. ``public``: events of the type are about what
    belongs to the whole installation, so that every client may see them; all others are their owner's alone."""

    type: ClassVar[str]
    version: ClassVar[int] = 1
    public: ClassVar[bool] = False


@dataclass(frozen=True)
class Receiver:
    """Who takes the commands of a subject, in a sentence for readers of the document, and the ``durable`` consumer that they
    are taken from; ``None`` where nobody takes them yet."""

    sentence: str
    durable: str | None


class Command(Body, frozen=True, kw_only=True):
    """What all commands have: the kind of work that they ask for, and what it is done to. Both together name the row of the
    work (``db.work_models``), which says whether it is still to be done. ``receivers`` are the subjects that it is sent on,
    the most urgent first, with a name in braces for a part that varies, and who takes it there. Stream, consumers and
    document follow from them."""

    kind: ClassVar[str]
    receivers: ClassVar[Mapping[str, Receiver]]

    @property
    def target(self) -> UUID:
        """The id of what the work is done to."""
        raise NotImplementedError

"""The client's record: what it sent, what was answered, what the socket sent. Filled by ``client.py``, judged by
``checker.py``. Knows nothing of how the product keeps anything."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

Colour = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Picture:
    """A file that the client sends. ``width``, ``height`` upright pixels and ``colour`` (mean RGB) say what its renditions
    must show; ``None`` where it need not be renderable. ``must_fail``: it may not end complete."""

    name: str
    sha256: str
    data: bytes
    width: int = 0
    height: int = 0
    colour: Colour | None = None
    may_fail: bool = False
    must_fail: bool = False
    priority: str = ""
    """What the client asks for; empty leaves it to the gateway."""
    profile: str = ""
    """The analysis that the client asks for with the upload."""


@dataclass(frozen=True)
class Answer:
    """One answer to one attempt, or none (``status`` 0: the connection failed). Times are seconds of the loop's clock."""

    sha256: str
    at: float
    seconds: float
    status: int
    retry_after: str | None = None
    problem: str = ""
    """Of a refusal: its ``type``, empty where the body is no problem document with a ``detail``."""


@dataclass(frozen=True)
class Observed:
    """An event as the socket told it. ``type`` without its prefix; ``subject`` is the image's id; ``revision`` is the
    image's, 0 where the event does not tell it."""

    id: str
    type: str
    subject: str
    cursor: str
    at: float
    revision: int = 0


@dataclass
class History:
    """All of it, in the order it happened."""

    sent: dict[str, Picture] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    accepted: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Image ids of every 2xx, by the content's hash."""
    accepted_at: dict[str, float] = field(default_factory=dict)
    """When the first 2xx came, by the content's hash."""
    refused: dict[str, Answer] = field(default_factory=dict)
    """The final refusal (4xx), by the content's hash."""
    deleted: set[str] = field(default_factory=set)
    """Ids of the images whose deletion was answered 204."""
    retried: Counter[str] = field(default_factory=Counter)
    """How many retries of an image were answered 202, by its id."""
    harmed: set[str] = field(default_factory=set)
    """Ids of images of which the test itself took something away, or wanted one more rendition: they are rendered again, and
    told of again."""
    erased: set[str] = field(default_factory=set)
    """Ids of the events that the test itself took out of the stream."""
    analyses: set[str] = field(default_factory=set)
    """Ids of the images whose analysis was accepted, each by one profile."""
    killed: list[tuple[float, str]] = field(default_factory=list)
    """Processes that the test killed, by the clock."""
    events: list[Observed] = field(default_factory=list)
    resets: list[str] = field(default_factory=list)
    reset_at: float | None = None
    """When the last of them came."""
    expected_resets: frozenset[str] = frozenset()
    """First words of the resets that the test itself is the cause of. What was accepted before such a reset may be told
    by nothing else: the client knows that it has to ask."""
    connections: int = 0
    told_by_client_library: list[str] = field(default_factory=list)
    """Ids of events as the public client gave them out, each supposed to come once."""

    def accept(self, picture: Picture, image_id: str, at: float) -> None:
        """Notes a 2xx."""
        self.accepted[picture.sha256].append(image_id)
        self.accepted_at.setdefault(picture.sha256, at)
        if picture.profile:
            self.analyses.add(image_id)

    def living(self, sha256: str) -> list[str]:
        """Ids under which this content was accepted and not deleted since."""
        return [image_id for image_id in self.accepted.get(sha256, ()) if image_id not in self.deleted]

    def reset(self, reason: str, at: float) -> None:
        """Notes that the server said that events are missing."""
        self.resets.append(reason)
        self.reset_at = at

    @property
    def excused(self) -> set[str]:
        """Ids of the images of which events may be missing: they were accepted before a reset that the test caused."""
        if self.reset_at is None or not any(reason.split()[0] in self.expected_resets for reason in self.resets):
            return set()
        return {self.accepted[sha256][0] for sha256, at in self.accepted_at.items() if at < self.reset_at}

    def first_events(self) -> list[Observed]:
        """Events with the repeats dropped by id, as a client has to."""
        return list({event.id: event for event in reversed(self.events)}.values())[::-1]

"""What the servers hold when all is over: rows, objects and messages, read directly and not through the product; beside
it what the product's own list says. Plain data for ``checker.py``; reading is in ``collect.py``."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.chaos.history import Colour


@dataclass(frozen=True)
class Size:
    """A configured display size."""

    name: str
    width: int
    height: int
    fit: str


@dataclass(frozen=True)
class ImageRow:
    """A row of ``images`` that is not deleted."""

    id: str
    sha256: str
    processing: str
    thumbnails: str
    variants: str
    error: str | None
    attempts: int
    fence: int
    width: int
    height: int
    bytes: int
    incarnation: int = 0

    @property
    def original(self) -> str:
        """The key of its original: the first object under it has no number, those after a deletion have one."""
        return f"originals/{self.sha256}" + (f".{self.incarnation}" if self.incarnation else "")


@dataclass(frozen=True)
class RenditionRow:
    """A row of ``renditions``."""

    image_id: str
    name: str
    width: int
    height: int
    format: str
    bytes: int
    key: str


@dataclass(frozen=True)
class Found:
    """What an object turned out to be once fetched and decoded; ``fault`` says why it could not be."""

    bytes: int
    sha256: str
    width: int = 0
    height: int = 0
    format: str = ""
    colour: Colour = (0.0, 0.0, 0.0)
    fault: str = ""


@dataclass(frozen=True)
class Message:
    """An event in the stream: the envelope's id, its type and image."""

    id: str
    type: str
    image_id: str


@dataclass(frozen=True)
class Listed:
    """An image as the API lists it; renditions are (name, width, height, bytes)."""

    id: str
    sha256: str
    status: str
    renditions: frozenset[tuple[str, int, int, int]]


@dataclass(frozen=True)
class AnalysisRow:
    """A row of ``analyses``; ``result`` as JSON with its keys in order, empty where there is none."""

    id: str
    image_id: str
    owner: str
    status: str
    result: str
    source: str | None
    calls: int
    waiting: str | None
    error: str | None


@dataclass(frozen=True)
class CallRow:
    """A row of the ledger. ``outcome``: ``None`` where its analyzer died. ``tokens``: what it used, as far as that is known;
    times are those of the clock, as seconds."""

    pixels: str
    owner: str
    outcome: str | None
    charged: int
    tokens: int
    began_at: float
    ended_at: float | None


@dataclass(frozen=True)
class Charge:
    """A call as the double of the model knows it: the digest of the picture that was shown, the tokens that it charges (0:
    nothing), and whether the answer reached its end."""

    picture: str
    tokens: int
    finished: bool


@dataclass
class Bill:
    """What analyses cost, by everybody who counts: the ledger, the budgets (by owner, "" for all together), the usage of
    the days, and the double, whose charges nobody here can change."""

    calls: list[CallRow] = field(default_factory=list)
    budgets: dict[str, int] = field(default_factory=dict)
    usage_calls: int = 0
    usage_hits: int = 0
    charges: list[Charge] = field(default_factory=list)
    pixels: dict[str, str] = field(default_factory=dict)
    """The hash of the pixels of each picture that a model can be shown, by the digest of the rendition."""


@dataclass
class Evidence:
    """All of it. ``objects`` by key: everything under ``originals/`` and ``renditions/``."""

    sizes: list[Size] = field(default_factory=list)
    images: list[ImageRow] = field(default_factory=list)
    renditions: list[RenditionRow] = field(default_factory=list)
    objects: dict[str, Found] = field(default_factory=dict)
    events: list[Message] = field(default_factory=list)
    listed: list[Listed] = field(default_factory=list)
    downloaded: dict[str, str] = field(default_factory=dict)
    """SHA-256 of renditions that were fetched through the API, by object key."""
    dead_images: list[str] = field(default_factory=list)
    """Image ids of the dead letters; those that name none are not among them."""
    work_waiting: int = 0
    work_unacked: int = 0
    outbox: int = 0
    work_rows: int = 0
    """Rows that stand for work which has not ended."""
    analyses: list[AnalysisRow] = field(default_factory=list)
    analyzed: list[tuple[str, str]] = field(default_factory=list)
    """Analyses by id, each with the result (as in ``AnalysisRow``) that an ``image.analyzed`` in the stream tells."""
    answered: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Status and result of analyses by id, as the API shows them."""
    bill: Bill = field(default_factory=Bill)
    events_dropped: int = 0
    """Events that the stream no longer holds because it was full."""

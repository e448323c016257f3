"""Whether each word that waited ended with a picture or a visible miss, once, and no request was made that was not charged
before. Pure: ``collect_words.py`` reads what is judged here.

A request whose importer was killed is charged and perhaps made, and made again: that is right where something was killed,
and nowhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from heliograph_local.doubles.unsplash import Call, Photo

Wrong = tuple[Literal["lost", "duplicated", "wrong"], str, str]

FOUND, NOT_FOUND = "word.image_found", "word.image_not_found"
MISSED = "missed"
HOUR = 3600.0
IN_FLIGHT = 8
"""Requests that are under way at one time, in two importers."""
NOTHING = "nothing"
"""What the double finds nothing for."""


@dataclass(frozen=True)
class Asked:
    """A word as it was written."""

    id: str
    text: str
    translation: str

    @property
    def hopeless(self) -> bool:
        """Whether there is no picture for it."""
        return NOTHING in self.text and NOTHING in self.translation


@dataclass(frozen=True)
class WordRow:
    """What the tables say of a word. ``photos`` are those of its rows in ``word_images``."""

    id: str
    photos: tuple[str, ...]
    miss_code: str | None
    searched_again: bool
    queued: int


@dataclass(frozen=True)
class ChargeRow:
    """A charge; that of nobody fills the hour for a test."""

    word_id: str | None
    task: str
    at: float


@dataclass
class WordRun:
    """All that is judged. ``events``: type, word and id of each event in the stream."""

    asked: Sequence[Asked]
    quota: int
    kills: int = 0
    rows: list[WordRow] = field(default_factory=list)
    charges: list[ChargeRow] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    """What the API says of each word: a photo, ``MISSED``, or something else."""

    @property
    def again(self) -> int:
        """Charges beyond those that the words needed: one for each search, one for each download."""
        needed = sum(1 + (NOTHING in each.text) + (not each.hopeless) for each in self.asked)
        return sum(charge.word_id is not None for charge in self.charges) - needed


def words_wrong(run: WordRun) -> Iterator[Wrong]:
    """Everything that is not as promised."""
    yield from _ended(run)
    yield from _told(run)
    yield from _charged(run)
    yield from within_the_hour(run)


def _ended(run: WordRun) -> Iterator[Wrong]:
    rows = {row.id: row for row in run.rows}
    for word in run.asked:
        row = rows.get(word.id)
        if row is None:
            yield "lost", word.id, "there is no such word any more"
            continue
        if row.queued:
            yield (
                ("duplicated" if row.queued > 1 else "lost"),
                word.id,
                f"is in the queue {row.queued} times at the end",
            )
        if (answer := run.answers.get(word.id, "")) != (row.photos or (MISSED,))[0]:
            yield "wrong", word.id, f"the API answers: {answer or 'nothing'}"
        if row.photos:
            yield from _found(word, row)
        elif row.miss_code is None:
            yield "lost", word.id, "has neither a picture nor a miss"
        elif not word.hopeless:
            yield "lost", word.id, f"was missed ({row.miss_code}), and there are pictures for it"
        elif not row.searched_again:
            yield "lost", word.id, "was missed, and is never searched again"


def _found(word: Asked, row: WordRow) -> Iterator[Wrong]:
    if len(row.photos) > 1:
        yield "duplicated", word.id, f"has {len(row.photos)} pictures"
    if row.miss_code is not None:
        yield "wrong", word.id, f"has a picture and a miss ({row.miss_code})"
    if word.hopeless:
        yield "wrong", word.id, "has a picture, and there is none for it"
    if any(Photo.of(photo) is None for photo in row.photos):
        yield "wrong", word.id, "has a picture that the provider does not have"


def _told(run: WordRun) -> Iterator[Wrong]:
    """The stream tells of each picture and each miss, once."""
    told = Counter((kind, word_id) for kind, word_id, _ in set(run.events))
    for row in run.rows:
        for kind, wanted in ((FOUND, bool(row.photos)), (NOT_FOUND, row.miss_code is not None)):
            if (count := told[kind, row.id]) != wanted:
                yield ("lost" if count < wanted else "duplicated"), row.id, f"{kind} was told {count} times"


def _charged(run: WordRun) -> Iterator[Wrong]:
    """Each request of a word was charged before it was made, and none was made again without need."""
    words = {text: word.id for word in run.asked for text in (word.text, word.translation)}
    words |= {photo: row.id for row in run.rows for photo in row.photos}
    made = Counter((words.get(call.about, ""), call.call) for call in run.calls)
    charged = Counter((charge.word_id, charge.task) for charge in run.charges if charge.word_id is not None)
    for (word_id, task), count in sorted(made.items()):
        if count > charged[word_id, task]:
            paid = charged[word_id, task]
            yield "wrong", word_id or "nobody", f"{count} times {task} was requested, and {paid} times charged"
    if run.again > run.kills * IN_FLIGHT:
        yield "duplicated", "requests", f"{run.again} were made again, after {run.kills} kills"


def within_the_hour(run: WordRun) -> Iterator[Wrong]:
    """Requests beyond the quota of any hour."""
    times = sorted(charge.at for charge in run.charges)
    for first, last in zip(times, times[run.quota :], strict=False):
        if last - first < HOUR:
            yield "wrong", "budget", f"more than {run.quota} requests were charged within {last - first:.0f} s"
            break
    refused = sum(call.status != 0 and not call.counted for call in run.calls)
    if refused:
        yield "wrong", "budget", f"the provider refused {refused} requests beyond its limit"

"""The judge of words sees each thing that may go wrong, and nothing where all is well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.chaos.words import FOUND, IN_FLIGHT, MISSED, NOT_FOUND, Asked, ChargeRow, WordRow, WordRun, words_wrong

from heliograph_local.doubles.unsplash import Call, Kind, Photo
from heliograph_local.doubles.unsplash.subjects import SUBJECTS

PHOTOS = [Photo(SUBJECTS[0], Kind.LANDSCAPE, number).id for number in range(3)]
EASY, TRANSLATED, HOPELESS = (
    Asked("w1", "word", "wort"),
    Asked("w2", "nothing2", "two"),
    Asked("w3", "nothing3", "nothing"),
)


def call(task: str, about: str, at: float) -> Call:
    """A request that was answered."""
    return Call(call=task, about=about, at=at, status=200, counted=True)


def good() -> WordRun:
    """A word that was found at once, after an importer was killed; one by its translation; and one that was missed."""
    made = [("w1", "search", "word"), ("w1", "search", "word"), ("w1", "download", PHOTOS[0])]
    made += [("w2", "search", "nothing2"), ("w2", "search", "two"), ("w2", "download", PHOTOS[1])]
    made += [("w3", "search", "nothing3"), ("w3", "search", "nothing")]
    return WordRun(
        asked=[EASY, TRANSLATED, HOPELESS],
        quota=10,
        kills=1,
        rows=[
            WordRow("w1", (PHOTOS[0],), None, searched_again=False, queued=0),
            WordRow("w2", (PHOTOS[1],), None, searched_again=False, queued=0),
            WordRow("w3", (), "no_results", searched_again=True, queued=0),
        ],
        charges=[ChargeRow(word_id, task, float(at)) for at, (word_id, task, _) in enumerate(made)]
        + [ChargeRow(None, "search", 0.0)],
        calls=[
            Call(call=task, about=about, at=float(at), status=200, counted=True)
            for at, (_, task, about) in enumerate(made)
        ],
        events=[(FOUND, "w1", "e1"), (FOUND, "w2", "e2"), (NOT_FOUND, "w3", "e3"), (FOUND, "w1", "e1")],
        answers={"w1": PHOTOS[0], "w2": PHOTOS[1], "w3": MISSED},
    )


def row(number: int, **changes: Any) -> Callable[[WordRun], object]:
    """A run in which a row is another one."""

    def spoil(run: WordRun) -> None:
        run.rows[number] = replace(run.rows[number], **changes)

    return spoil


SPOILT: dict[str, tuple[Callable[[WordRun], object], str, str]] = {
    "a word is gone": (lambda run: run.rows.pop(0), "lost", "no such word"),
    "a word has nothing": (row(0, photos=()), "lost", "neither a picture nor a miss"),
    "a word is still queued": (row(0, queued=1), "lost", "in the queue 1 times"),
    "a word is queued twice": (row(0, queued=2), "duplicated", "in the queue 2 times"),
    "two pictures": (row(0, photos=tuple(PHOTOS[:2])), "duplicated", "has 2 pictures"),
    "a picture and a miss": (row(0, miss_code="no_results"), "wrong", "a picture and a miss"),
    "missed for nothing": (row(0, photos=(), miss_code="provider_failed"), "lost", "there are pictures for it"),
    "never searched again": (row(2, searched_again=False), "lost", "never searched again"),
    "a picture of nothing": (row(2, photos=(PHOTOS[2],), miss_code=None), "wrong", "there is none for it"),
    "a picture of nobody": (row(0, photos=("AAAAAAAAAAA",)), "wrong", "the provider does not have"),
    "another answer": (lambda run: run.answers.update(w1=PHOTOS[2]), "wrong", f"the API answers: {PHOTOS[2]}"),
    "a miss that nobody sees": (lambda run: run.answers.update(w3="500"), "wrong", "the API answers: 500"),
    "not told": (lambda run: run.events.remove((FOUND, "w2", "e2")), "lost", "was told 0 times"),
    "told twice": (lambda run: run.events.append((FOUND, "w2", "e9")), "duplicated", "was told 2 times"),
    "told of a miss, too": (lambda run: run.events.append((NOT_FOUND, "w1", "e9")), "duplicated", "was told 1 times"),
    "a request is free": (lambda run: run.charges.pop(0), "wrong", "2 times search was requested, and 1 times charged"),
    "a download is free": (lambda run: run.charges.pop(2), "wrong", "1 times download was requested, and 0 times"),
    "nobody's request": (
        lambda run: run.calls.append(call("search", "else", 9.0)),
        "wrong",
        "1 times search",
    ),
    "charged without a kill": (
        lambda run: run.charges.extend([ChargeRow("w1", "search", -9999.0)] * IN_FLIGHT),
        "duplicated",
        "were made again, after 1 kills",
    ),
    "too many in an hour": (lambda run: setattr(run, "quota", 8), "wrong", "more than 8 requests"),
    "refused": (
        lambda run: run.calls.append(Call(call="download", about=PHOTOS[0], at=9.0, status=403)),
        "wrong",
        "refused 1 requests",
    ),
}


def test_a_good_run_has_no_findings() -> None:
    assert list(words_wrong(good())) == []
    assert good().again == 1


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_wrong_is_found(what: str) -> None:
    spoil, kind, told = SPOILT[what]
    run = good()
    spoil(run)
    assert [found for found in words_wrong(run) if found[0] == kind and told in found[2]]

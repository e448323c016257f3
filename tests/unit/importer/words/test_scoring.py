"""Which photo of a page is best."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.importer.words.support import photo

from heliograph_common.contracts.word_messages import Photo
from heliograph_importer.words.scoring import SMALLEST, WIDEST, is_fit, key_of, rank

_TEXTS = st.text(max_size=40)
_SIDES = st.integers(1, 20_000)


@st.composite
def _photos(draw: st.DrawFn) -> list[Photo]:
    count = draw(st.integers(0, 12))
    return [
        photo(
            f"p{number}",
            width=draw(_SIDES),
            height=draw(_SIDES),
            description=draw(st.none() | _TEXTS),
            tags=tuple(draw(st.lists(_TEXTS, max_size=3))),
            safe=draw(st.booleans()),
        )
        for number in range(count)
    ]


@given(_photos(), st.lists(_TEXTS, max_size=2), st.sets(st.integers(0, 11)))
def test_only_what_is_fit_and_not_rejected_comes_back_in_order(
    photos: list[Photo], terms: list[str], numbers: set[int]
) -> None:
    rejected = {f"unsplash:p{number}" for number in numbers}
    ranked = rank(photos, terms=terms, rejected=rejected)
    assert {key_of(each.photo) for each in ranked} == {key_of(each) for each in photos if is_fit(each)} - rejected
    assert all(0 <= each.score <= 1 for each in ranked)
    assert [each.score for each in ranked] == sorted((each.score for each in ranked), reverse=True)
    assert rank(photos, terms=terms, rejected=rejected) == ranked, "the same page, the same choice"


@given(_photos(), st.lists(_TEXTS, max_size=2))
def test_a_better_description_never_makes_it_worse(photos: list[Photo], terms: list[str]) -> None:
    for place, each in enumerate(photos):
        told = photo(each.id, width=each.width, height=each.height, description=" ".join(terms))
        untold = photo(each.id, width=each.width, height=each.height)
        before, after = photos[:place], photos[place + 1 :]
        with_it, without = (rank([*before, one, *after], terms=terms) for one in (told, untold))
        scores = [next((r.score for r in ranked if r.photo.id == each.id), 0.0) for ranked in (with_it, without)]
        assert scores[0] >= scores[1]


def test_the_providers_order_decides_between_equals() -> None:
    assert [each.photo.id for each in rank([photo("a"), photo("b")], terms=["kettle"])] == ["a", "b"]


def test_a_description_that_names_the_word_beats_a_few_places() -> None:
    page = [
        *(photo(f"p{number}", description="a mountain") for number in range(5)),
        photo("k", description="Two kettles"),
    ]
    assert rank([*page, *[photo(f"q{number}") for number in range(10)]], terms=["kettle"])[0].photo.id == "k"


def test_the_description_may_be_in_the_language_of_the_translation() -> None:
    page = [photo("a", description="a mountain"), photo("k", description="a kettle")]
    assert rank(page, terms=["tetera", "kettle"])[0].photo.id == "k"


def test_tags_count_like_the_description_and_parts_of_words_do_not() -> None:
    page = [photo("a", description="a catalogue"), photo("c", tags=("Cat",))]
    assert rank(page, terms=["cat"])[0].photo.id == "c"


def test_what_is_unfit() -> None:
    assert not is_fit(photo(safe=False))
    assert not is_fit(photo(width=SMALLEST - 1))
    assert not is_fit(photo(width=int(1000 * WIDEST) + 1, height=1000))
    assert is_fit(photo(width=SMALLEST, height=SMALLEST))

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.notifier.support import event, import_event, word_event

from heliograph_notifier.fanout.filters import EVERYTHING, Filter
from heliograph_notifier.protocol.vocabulary import FilterRequest

EVENT = event(1)
WORDS = st.lists(st.sampled_from(["image.ready", "image.*", "image.failed", "dev.heliograph.image.ready", "word.*"]))
IMAGES = st.lists(st.sampled_from([EVENT.subject, EVENT.subject.upper(), "another"]))


@given(WORDS, IMAGES)
def test_a_filter_passes_what_each_of_its_lists_passes(types: list[str], images: list[str]) -> None:
    both = Filter(FilterRequest(types=types, image_ids=images)).passes(EVENT)
    by_type = Filter(FilterRequest(types=types)).passes(EVENT)
    by_image = Filter(FilterRequest(image_ids=images)).passes(EVENT)
    assert both == (by_type and by_image)


@given(WORDS)
def test_types(types: list[str]) -> None:
    wanted = {"image.ready", "image.*", "dev.heliograph.image.ready"}
    assert Filter(FilterRequest(types=types)).passes(EVENT) == (not types or bool(wanted & set(types)))


IMPORT = import_event(2)


@given(st.sampled_from([[], [EVENT.subject]]), st.sampled_from([[], [IMPORT.subject.upper()], ["another"]]))
def test_images_and_imports_are_those_listed_in_either(images: list[str], imports: list[str]) -> None:
    wanted = Filter(FilterRequest(image_ids=images, import_ids=imports))
    everything = not images and not imports
    assert wanted.passes(EVENT) == (everything or bool(images))
    assert wanted.passes(IMPORT) == (everything or imports == [IMPORT.subject.upper()])


WORD = word_event(3, word_id="Gull-1")


def test_words_are_those_listed_in_any_list_by_their_exact_id() -> None:
    wanted = Filter(FilterRequest(word_ids=["Gull-1", EVENT.subject], image_ids=[IMPORT.subject]))
    assert wanted.passes(WORD)
    assert wanted.passes(IMPORT)  # ids of images and imports never meet
    assert not wanted.passes(EVENT)
    for other in (
        FilterRequest(word_ids=["gull-1"]),
        FilterRequest(image_ids=["Gull-1"]),
        FilterRequest(types=["image.*"]),
    ):
        assert not Filter(other).passes(WORD)
    assert Filter(FilterRequest(types=["word.*"])).passes(WORD)


def test_no_filter_passes_everything() -> None:
    assert EVERYTHING.passes(EVENT)
    assert not EVERYTHING.all_owners

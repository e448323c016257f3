from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.notifier.helpers import event

from heliograph_notifier.fanout.filters import EVERYTHING, MAX_ENTRIES, Filter, FilterRequest, from_query

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


def test_no_filter_passes_everything() -> None:
    assert EVERYTHING.passes(EVENT)
    assert not EVERYTHING.all_owners


def test_a_query_is_repeated_or_separated_by_commas() -> None:
    for query in ({"types": ["image.failed,image.ready"]}, {"types": ["image.failed", "image.ready"]}):
        assert from_query(query).passes(EVENT)
    assert not from_query({"types": ["image.failed"]}).passes(EVENT)
    assert from_query({"all_owners": ["true"]}).all_owners


@pytest.mark.parametrize(
    "query",
    [{"all_owners": ["yes"]}, {"types": ["x" * 201]}, {"image_ids": [",".join(["x"] * (MAX_ENTRIES + 1))]}],
)
def test_malformed_queries(query: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_query(query)

"""Which stream and which consumer take a subject."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from heliograph_common.contracts import streams, subjects
from heliograph_common.contracts.messages import COMMANDS, AnalyzeImage
from heliograph_common.contracts.streams import consumer_for, stream_for, takes
from heliograph_common.contracts.subjects import Priority
from heliograph_common.contracts.word_messages import FindPicture, WordTask


@pytest.mark.parametrize("priority", Priority)
def test_renders_have_a_consumer_each(priority: Priority) -> None:
    found = consumer_for(subjects.render(priority))
    assert found == streams.THUMBNAILER[list(Priority).index(priority)]
    assert (found.durable, found.filter_subject) == (f"thumbnailer-{priority}", f"work.render.{priority}")


def test_one_consumer_takes_the_analyses_of_all_profiles() -> None:
    (found,) = streams.consumers_of(AnalyzeImage)
    assert (found.durable, found.filter_subject) == ("analyzer", "work.analyze.*")
    assert consumer_for(subjects.analyze("food")) == consumer_for(subjects.analyze("describe")) == found


def test_one_consumer_takes_all_steps_towards_the_pictures_of_words() -> None:
    (found,) = streams.consumers_of(FindPicture)
    assert (found.durable, found.filter_subject) == ("importer-words", "work.words.*")
    assert {consumer_for(subjects.words(task)) for task in get_args(WordTask)} == {found}


def test_the_stream_of_work_takes_what_commands_are_sent_on() -> None:
    work = set(streams.STREAMS[0].subjects)
    assert {subjects.render(priority) for priority in Priority} | {"work.analyze.*"} <= work
    assert {"work.import.*", "work.fetch.*", "work.words.*"} <= work
    assert all(re.sub(r"{\w+}", "*", subject) in work for each in COMMANDS for subject in each.receivers)


@pytest.mark.parametrize("subject", ["work.render", "work.render.high.now", "events.image.ready", "", "work.render.*"])
def test_what_nobody_takes(subject: str) -> None:
    assert consumer_for(subject) is None


@pytest.mark.parametrize(
    ("pattern", "subject", "matches"),
    [
        ("work.analyze.*", "work.analyze.food", True),
        ("work.analyze.*", "work.analyze", False),
        ("work.analyze.*", "work.analyze.food.now", False),
        ("work.*.food", "work.analyze.food", True),
        ("work.>", "work.analyze.food", True),
        ("work.>", "work.a", True),
        ("work.>", "work", False),
        ("work.>", "events.a", False),
    ],
)
def test_wildcards(pattern: str, subject: str, matches: bool) -> None:
    assert takes(pattern, subject) == matches


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("work.render.high", "WORK"),
        ("work.analyze.food", "WORK"),
        ("events.image.ready", "EVENTS"),
        ("dead.thumbnailer", "DEAD"),
        ("elsewhere", None),
    ],
)
def test_streams(subject: str, name: str | None) -> None:
    found = stream_for(subject)
    assert (found.name if found else None) == name

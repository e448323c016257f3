"""The record of calls in a file: each as it was last, whatever the process came to."""

from __future__ import annotations

from pathlib import Path

from heliograph_local.doubles.openai.calls import Call
from heliograph_local.doubles.records import Record, recorded


def _call(picture: str) -> Call:
    return Call(call="responses.create", model="m", picture=picture, detail="high", schema_name="s", text="")


def test_a_call_is_told_as_it_was_last(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    first, second = _call("one"), _call("two")
    for call in (first, second):
        call.input_tokens = 5
        Record(path).write(call)
    first.finished = True
    Record(path).write(first)
    assert recorded(path, Call) == [first, second]


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "calls"
    Record(path).write(_call("one"))
    with path.open("ab") as file:
        file.write(b'{"call": "resp')
    assert [call.picture for call in recorded(path, Call)] == ["one"]


def test_nothing_is_written_without_a_file(tmp_path: Path) -> None:
    Record(None).write(_call("one"))
    assert recorded(tmp_path / "calls", Call) == []

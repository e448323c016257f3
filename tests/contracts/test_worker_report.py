"""Reports of workers: what any released version wrote can be read, and nothing that is none is taken for one.

The sample is never edited. A field that is added has a default and gets a sample of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph_common.contracts import subjects, worker_report
from heliograph_common.contracts.streams import STREAMS, stream_for
from heliograph_common.contracts.worker_report import LONGEST, HandlerReport, QueueReport, WorkerReport
from heliograph_common.errors import MalformedMessage

SAMPLES = sorted((Path(__file__).parent / "golden" / "reports").glob("worker*.json"))
GOLDEN = next(path for path in SAMPLES if path.stem == "worker+stopping")
"""That of the field that was added last."""
SAMPLE = json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_released_report_can_be_read_and_is_written_with_all_that_it_said(sample: Path) -> None:
    written = json.loads(worker_report.encode(worker_report.decode(sample.read_bytes())))
    said = json.loads(sample.read_text(encoding="utf-8"))
    for handler, known in zip(written["handlers"], said["handlers"], strict=True):
        added = handler.keys() - known.keys()
        assert handler == known | {name: handler[name] for name in added}
    assert written | {"handlers": []} == said | {"handlers": []}


def test_a_handler_of_before_is_not_stopping() -> None:
    before = next(path for path in SAMPLES if path.stem == "worker")
    assert [each.stopping for each in worker_report.decode(before.read_bytes()).handlers] == [False]
    assert [each.stopping for each in worker_report.decode(GOLDEN.read_bytes()).handlers] == [True]


def test_every_field_is_in_the_sample() -> None:
    handler = SAMPLE["handlers"][0]
    assert SAMPLE.keys() == set(WorkerReport.__struct_fields__)
    assert handler.keys() == set(HandlerReport.__struct_fields__)
    assert handler["queues"][0].keys() == set(QueueReport.__struct_fields__)


def test_fields_of_newer_versions_are_ignored() -> None:
    assert worker_report.decode(json.dumps(SAMPLE | {"more": [1]}).encode()).host == SAMPLE["host"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"handlers": [{}]},
        {"handlers": [SAMPLE["handlers"][0] | {"busy": -1}]},
        {"handlers": [SAMPLE["handlers"][0] | {"busy_seconds": 1e300}]},
        {"handlers": [SAMPLE["handlers"][0] | {"queues": [{"durable": "x", "delayed": [[1e9, 1]]}]}]},
        {"handlers": SAMPLE["handlers"] * 40},
        {"process": ""},
        {"host": "x" * 300},
        {"pid": "1"},
    ],
)
def test_what_exceeds_a_bound_is_no_report(wrong: dict[str, object]) -> None:
    with pytest.raises(MalformedMessage):
        worker_report.decode(json.dumps(SAMPLE | wrong).encode())


def test_what_is_too_long_is_not_even_read() -> None:
    with pytest.raises(MalformedMessage, match="at most"):
        worker_report.decode(b" " * LONGEST + GOLDEN.read_bytes())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_report_or_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedMessage):
        worker_report.decode(payload)


@pytest.mark.parametrize("payload", [b"[" * 50_000, b'{"service": NaN}', b"\xff\xfe", b"null"])
def test_peculiar_bytes_are_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedMessage):
        worker_report.decode(payload)


def test_no_stream_takes_reports() -> None:
    assert stream_for(subjects.workers("thumbnailer")) is None
    assert not any(pattern.startswith((">", "*", "workers")) for spec in STREAMS for pattern in spec.subjects)


def test_traces_and_documents_know_the_subject() -> None:
    assert subjects.template_of(subjects.workers("thumbnailer")) == "workers.{reporter}"
    assert {part[1:-1] for each in subjects.TEMPLATES for part in each.split(".") if part[0] == "{"} <= set(
        subjects.PARAMETERS
    )

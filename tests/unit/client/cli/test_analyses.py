"""``heliograph analyze``, ``analyses`` and ``costs``: what they ask the server, what they say, their exit codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.client.cli.support import Run, lines
from tests.unit.client.fake import FakeServer
from tests.unit.client.fake_analyses import MEAL, SCENE, USED, report
from tests.unit.client.support import UNKNOWN

from heliograph_client.analysis_models import Analysis
from heliograph_client.cli.answers import answer_of, confidence_of, cost_of, dollars, waits

IMAGE = "01a1f930-91c4-7d0f-8a3b-5a7f2c60e1d4"
PICTURE = b"\xff\xd8\xff picture "


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with two pictures and a text."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, content in {"a.jpg": PICTURE + b"a", "b.jpg": PICTURE + b"b", "notes.txt": b"notes"}.items():
        (folder / name).write_bytes(content)
    return folder


def analysis(**more: Any) -> Analysis:
    """One that is complete."""
    told = {"id": IMAGE, "image_id": IMAGE, "profile": "any", "status": "completed"}
    return Analysis.model_validate(told | {"created_at": "2026-11-20T09:30:00Z"} | more)


def test_files_and_images_are_analyzed_and_shown_in_a_table(fake: FakeServer, run: Run, pictures: Path) -> None:
    done = run("analyze", str(pictures / "a.jpg"), IMAGE, "--profile", "food", "--wait")
    assert (done.exit_code, done.stderr) == (0, "")
    header, first, second, summary = done.stdout.splitlines()
    assert header.split() == ["file", "answer", "confidence", "source", "tokens", "cost"]
    by_name = {line.split()[0]: line for line in (first, second)}
    assert set(by_name) == {str(pictures / "a.jpg"), IMAGE}
    for line in by_name.values():
        assert line.split("  ")[1:] != []
        for cell in ("Made up: lentil soup, 410 kcal", "92 %", "api", "1,580", "$0.0018"):
            assert cell in line
    assert summary.startswith("2 images: 2 completed; 2 calls, 3,160 tokens, $0.0036 in ")
    assert {each["profile"] for each in fake.analyses.requests} == {"food"}


def test_what_is_known_is_looked_at_again_on_request(fake: FakeServer, run: Run, pictures: Path) -> None:
    assert run("analyze", str(pictures / "a.jpg"), IMAGE, "--refresh").exit_code == 0
    assert run("analyze", IMAGE).exit_code == 0
    assert sorted(str(each.get("refresh")) for each in fake.analyses.requests) == ["None", "True", "true"]


def test_a_line_of_json_for_each(fake: FakeServer, run: Run, pictures: Path) -> None:
    fake.analyses.ends["result"] = SCENE
    done = run("analyze", str(pictures), "--wait", "--json")
    found = {Path(line["file"]).name: line for line in lines(done)}
    assert {name: line["status"] for name, line in found.items()} == {
        "a.jpg": "completed", "b.jpg": "completed", "notes.txt": "skipped",
    }  # fmt: skip
    a = found["a.jpg"]
    assert (a["result"], a["source"], a["usage"], a["profile"]) == (SCENE, "api", USED, "describe")
    assert (a["error"], a["id"] in fake.analyses.all) == (None, True)
    assert done.exit_code == 0  # a text is a failure only where it was named


def test_without_wait_it_is_told_where_to_look(fake: FakeServer, run: Run, pictures: Path) -> None:
    fake.analyses.begins = {"waiting": {"reason": "missing credentials", "until": None}}
    done = run("analyze", str(pictures / "a.jpg"))
    (made,) = fake.analyses.all
    assert done.exit_code == 0
    told = f"a.jpg: queued, waiting: missing credentials; show with: heliograph analyses get {made}\n"
    assert told in done.stdout
    assert "1 images: 1 queued; 0 calls" in done.stdout


def test_who_waits_is_told_what_for_once(fake: FakeServer, run: Run, pictures: Path) -> None:
    until = "2026-11-20T09:30:00Z"
    fake.analyses.begins = {"waiting": {"reason": "rate limit", "until": until}}
    done = run("analyze", str(pictures), "--wait", "--json")
    shown = datetime(2026, 11, 20, 9, 30, tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert done.stderr == f"heliograph: waiting until {shown}: rate limit\n"
    assert {line["status"] for line in lines(done)} == {"completed", "skipped"}


def test_failures_have_their_reason_and_are_the_exit_code(fake: FakeServer, run: Run, pictures: Path) -> None:
    fake.analyses.missing.add(UNKNOWN)
    picture = str(pictures / "a.jpg")
    fake.analyses.ends = {"status": "failed", "error": {"code": "refused", "reason": "the model declined\x1b[2J"}}
    failed = run("analyze", picture, "--wait")
    assert failed.exit_code == 1
    assert f"{picture}: failed: the model declined" in failed.stdout
    assert "\x1b" not in failed.stdout
    assert lines(run("analyze", picture, "--wait", "--json"))[0]["error"]["code"] == "refused"
    for arguments, said in (
        ((picture, "--profile", "unknown"), "refused: `/profile`: Must be one of"),
        ((UNKNOWN,), "refused: There is no such image."),
        ((str(pictures / "notes.txt"),), "skipped: not a supported image"),
        ((str(pictures / "gone.jpg"),), "skipped: no such file"),
    ):
        done = run("analyze", *arguments, "--wait")
        assert (done.exit_code, said in done.stdout) == (1, True), done.output
    fake.analyses.ends = {"status": "running"}
    late = run("analyze", picture, "--wait", "--timeout", "0.3")
    assert late.exit_code == 1
    assert "timeout: analysis" in late.stdout


def test_all_are_reported_where_no_token_is_accepted(run: Run, pictures: Path) -> None:
    done = run("analyze", str(pictures / "a.jpg"), str(pictures / "b.jpg"), "--json", HELIOGRAPH_TOKEN="bad")
    assert done.exit_code == 4
    assert [line["status"] for line in lines(done)] == ["not_sent", "not_sent"]
    empty = pictures / "empty"
    empty.mkdir()
    assert run("analyze", str(empty)).exit_code == 1


def test_get_and_ls(fake: FakeServer, run: Run) -> None:
    made = fake.analyses.add(IMAGE, "food", status="completed", result=MEAL, source="cache")
    shown = run("analyses", "get", made["id"])
    assert shown.exit_code == 0
    for told in (
        "completed",
        "food by a-model",
        "result for an equal image",
        "Made up: lentil soup",
        "lentils, carrots",
    ):
        assert told in shown.stdout
    assert json.loads(run("analyses", "get", made["id"], "--json").stdout)["result"] == MEAL
    fault = {"code": "refused", "reason": "it declined"}
    failed = fake.analyses.add(IMAGE, "describe", status="failed", error=fault)
    done = run("analyses", "get", failed["id"])
    assert (done.exit_code, "failed: it declined" in done.stdout) == (1, True)
    listed = run("analyses", "ls", IMAGE)
    assert ("Made up: lentil soup, 410 kcal" in listed.stdout, "it declined" in listed.stdout) == (True, True)
    assert [line["profile"] for line in lines(run("analyses", "ls", IMAGE, "--json"))] == ["food", "describe"]
    assert run("analyses", "get", UNKNOWN).exit_code == 1


def test_costs(fake: FakeServer, run: Run) -> None:
    done = run("costs", "--from", "2026-11-01", "--to", "2026-11-30", "--owner", "ann")
    assert fake.analyses.requests == [{"from": "2026-11-01", "to": "2026-11-30", "owner": "ann"}]
    title, _, first, second, total = done.stdout.splitlines()
    assert title == "Analyses of ann, 2026-11-01 to 2026-11-30 (UTC)"
    assert first.split() == ["2026-11-21", "food", "a-model", "40", "60", "56,400", "7,200", "$0.0720"]
    assert second.startswith("2026-11-20")
    assert total.split() == ["total", "80", "120", "112,800", "14,400", "$0.1440"]
    assert json.loads(run("costs", "--json").stdout)["total"]["calls"] == 80
    fake.analyses.usage = report(owner="*", total={**report()["total"], "unpriced_calls": 3})
    unpriced = run("costs")
    assert ("all owners" in unpriced.stdout, "3 calls are not in the cost" in unpriced.stdout) == (True, True)
    assert run("costs", "--from", "yesterday").exit_code == 2


def test_upload_asks_for_an_analysis(fake: FakeServer, run: Run, pictures: Path) -> None:
    assert run("upload", str(pictures / "a.jpg"), "--analyze", "food").exit_code == 0
    assert fake.received("POST")[0].query["analyze"] == "food"
    run("upload", str(pictures / "b.jpg"))
    assert "analyze" not in fake.received("POST")[1].query


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (MEAL, "Made up: lentil soup, 410 kcal"),
        (SCENE, "Made up: boats in a harbour"),
        ({"isFood": False, "name": "", "calories": 0}, "nothing edible"),
        ({"caption": "x" * 200}, "x" * 99 + "\N{HORIZONTAL ELLIPSIS}"),
        ({"count": 3}, '{"count": 3}'),
        ({"caption": "  ", "text": "EXIT\n12"}, "EXIT 12"),
        (None, ""),
    ],
)
def test_an_answer_in_one_line(result: dict[str, Any] | None, said: str) -> None:
    assert answer_of(analysis(result=result)) == said


def test_numbers_in_words() -> None:
    assert confidence_of(analysis(result={"confidence": 0.5})) == "50 %"
    assert confidence_of(analysis(result={"confidence": True})) == ""
    assert cost_of(analysis(usage={"calls": 1})) == "unknown"
    assert cost_of(analysis(usage={"calls": 0})) == ""
    assert [dollars(usd) for usd in (0, 0.00004, 0.0018, 1234.5)] == ["$0.0000", "< $0.0001", "$0.0018", "$1,234.5000"]
    assert waits(analysis()) is None

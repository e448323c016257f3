"""``heliograph import`` and ``heliograph imports``: what they ask the server, what they say, their exit codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.client.cli.support import Run, lines
from tests.unit.client.fake import FakeServer
from tests.unit.client.fake_imports import counts
from tests.unit.client.support import UNKNOWN

from heliograph_client.cli.importing import stage_of
from heliograph_client.import_models import Import

LINK = "https://drive.google.com/drive/folders/abcdefghijklmnop"


@pytest.mark.parametrize(
    ("command", "source"), [("drive", "google_drive"), ("dropbox", "dropbox"), ("folder dropbox", "dropbox")]
)
def test_a_folder_is_begun_and_left(fake: FakeServer, run: Run, command: str, source: str) -> None:
    done = run("import", *command.split(), LINK, "--no-recursive", "--credential", "team", "--analyze", "food")
    (made,) = fake.imports.all
    assert done.exit_code == 0
    assert done.stdout == f"import {made}: queued; follow it with: heliograph import get {made}\n"
    assert fake.imports.requests == [
        {"source": source, "url": LINK, "recursive": False, "credential": "team", "analyze": "food"}
    ]


def test_a_folder_is_waited_for(fake: FakeServer, run: Run) -> None:
    done = run("import", "drive", LINK, "--wait")
    assert (done.exit_code, done.stderr) == (0, "")
    assert ": completed\n" in done.stdout
    assert "4 of 4 files, 4 imported" in done.stdout
    as_json = run("import", "drive", LINK, "--wait", "--json")
    assert (as_json.exit_code, json.loads(as_json.stdout)["status"]) == (0, "completed")


def test_failures_are_told_and_are_the_exit_code(fake: FakeServer, run: Run) -> None:
    fake.imports.ends = {"status": "completed", "counts": counts(found=4, imported=3, failed=1)}
    some = run("import", "drive", LINK, "--wait")
    assert some.exit_code == 1
    assert "1 failed" in some.stdout
    assert "--status failed" in some.stdout
    fault = {"code": "access_denied", "detail": "the folder is private: share it by link"}
    root = {"path": "", "code": fault["code"], "reason": fault["detail"]}
    listing = {"complete": False, "folders": 1, "pages": 1, "pages_listed": 0, "errors": [root]}
    fake.imports.ends = {"status": "failed", "error": fault, "listing": listing}
    all_of_it = run("import", "drive", LINK, "--wait")
    assert all_of_it.exit_code == 1
    assert all_of_it.stdout.count("the folder is private: share it by link") == 1
    assert "heliograph import retry" in all_of_it.stdout
    fake.imports.ends = {"status": "running"}
    late = run("import", "drive", LINK, "--wait", "--timeout", "0.3")
    assert late.exit_code == 1
    assert "it goes on" in late.stderr
    refused = run("import", "drive", "nowhere")
    assert (refused.exit_code, refused.stdout, len(refused.stderr.splitlines())) == (1, "", 1)


def test_urls_come_from_arguments_files_and_standard_input(
    fake: FakeServer, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text("# pictures\nhttps://a.example/1.jpg\n\n  https://a.example/2.jpg  \n", encoding="utf-8")
    assert run("import", "urls", "https://a.example/0.jpg", str(listed)).exit_code == 0
    assert fake.imports.requests[0]["urls"] == [f"https://a.example/{number}.jpg" for number in range(3)]
    assert run("import", "urls", "-", input="https://a.example/3.jpg\n").exit_code == 0
    assert fake.imports.requests[1]["urls"] == ["https://a.example/3.jpg"]
    assert run("import", "urls", "-", input="\n# none\n").exit_code == 1
    missing = run("import", "urls", str(tmp_path / "missing.txt"))
    assert (missing.exit_code, len(fake.imports.requests)) == (1, 2)
    assert "missing.txt: No such file" in missing.stderr


TOKENS: list[tuple[str, dict[str, Any] | None]] = [
    ("ya29.secret\n", {"access_token": "ya29.secret"}),
    (
        json.dumps({"access_token": "secret", "refresh_token": "r", "scope": "drive", "token_type": "Bearer"}),
        {"access_token": "secret", "refresh_token": "r"},
    ),
    (
        json.dumps({"token": "secret", "refresh_token": "r", "client_id": "i", "expiry": "2027-01-15T08:00:00Z"}),
        {"access_token": "secret", "refresh_token": "r", "client_id": "i", "expires_at": "2027-01-15T08:00:00Z"},
    ),
    ("", None),
    ('{"secret": 7}', None),
    ('{"access_token": "secret"', None),
]


@pytest.mark.parametrize(("written", "sent"), TOKENS)
def test_a_token_for_the_provider_is_read_from_a_file(
    fake: FakeServer, run: Run, tmp_path: Path, written: str, sent: dict[str, Any] | None
) -> None:
    file = tmp_path / "token"
    file.write_text(written, encoding="utf-8")
    done = run("import", "dropbox", LINK, "--provider-token-file", str(file))
    assert "secret" not in done.output
    if sent is None:
        assert (done.exit_code, fake.imports.requests) == (1, [])
        assert "holds no token" in done.stderr
    else:
        assert fake.imports.requests[0]["authorization"] == sent


@pytest.mark.parametrize("group", ["import", "imports"])
def test_ls_get_and_files(fake: FakeServer, run: Run, group: str) -> None:
    made = [fake.imports.add("dropbox" if number % 2 else "google_drive")["id"] for number in range(5)]
    assert [line["id"] for line in lines(run(group, "ls", "--all", "--json"))] == made[::-1]
    assert [line["id"] for line in lines(run(group, "ls", "--limit", "1", "--source", "dropbox", "--json"))] == [
        made[3]
    ]
    assert "Holidays" in run(group, "ls").stdout
    fake.imports.add_file(made[0], image_id=UNKNOWN)
    fake.imports.add_file(made[0], "failed", code="not_found", reason="gone: check it\x1b[2J")
    listed = run(group, "files", made[0])
    assert (UNKNOWN in listed.stdout, "gone: check it" in listed.stdout, "\x1b" in listed.stdout) == (True, True, False)
    assert [line["code"] for line in lines(run(group, "files", made[0], "--status", "failed", "--json"))] == [
        "not_found"
    ]
    run(group, "get", made[0])
    shown = run(group, "get", made[0])
    assert "2 of 4 or more files, 2 imported, 2.5 files/s, 1.0 MB/s, 7 s left" in shown.stdout
    assert json.loads(run(group, "get", made[0], "--json").stdout)["id"] == made[0]
    assert run(group, "get", UNKNOWN).exit_code == 1


def test_cancel_and_retry(fake: FakeServer, run: Run, tmp_path: Path) -> None:
    import_id = fake.imports.add()["id"]
    assert "canceled" in run("import", "cancel", import_id).stdout
    assert run("import", "cancel", import_id).exit_code == 1
    assert "running" in run("imports", "retry", import_id).stdout
    (tmp_path / "token").write_text("newer", encoding="utf-8")
    run("import", "retry", import_id, "--provider-token-file", str(tmp_path / "token"))
    assert fake.imports.requests == [{}, {"authorization": {"access_token": "newer"}}]


def test_what_stands_beside_the_bar(fake: FakeServer) -> None:
    made = Import.model_validate(
        fake.imports.add(
            counts=counts(found=9, imported=4, queued=5), rate={"files_per_second": 2.5, "bytes_per_second": None}
        )
    )
    assert stage_of(made) == "4/9+ files, 2.5 files/s"
    waiting = {"reason": "Dropbox allows no more requests", "until": datetime(2026, 11, 20, 9, 30, tzinfo=UTC)}
    waits = Import.model_validate({**made.model_dump(), "waiting": waiting})
    assert stage_of(waits).startswith("waiting until 2026-11-20 ")
    assert stage_of(waits).endswith(": Dropbox allows no more requests")

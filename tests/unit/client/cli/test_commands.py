"""Every command in-process: what it asks the server, what it says, its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.responses import Response
from tests.unit.client.cli.support import Run, lines
from tests.unit.client.fake import TOKEN, FakeServer, Foreign
from tests.unit.client.fake_answers import problem
from tests.unit.client.support import UNKNOWN

from heliograph_client.cli.images import file_name
from heliograph_client.models import Image

PICTURE = b"\xff\xd8\xff picture "


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with two pictures, one that the server refuses, and a text."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, content in {"a.jpg": PICTURE + b"a", "b.jpg": PICTURE + b"b", "notes.txt": b"notes"}.items():
        (folder / name).write_bytes(content)
    (folder / "large.jpg").write_bytes(b"\xff\xd8\xffLARGE")
    return folder


def test_upload_and_wait_as_json(fake: FakeServer, run: Run, pictures: Path) -> None:
    fake.processing_reads = 2
    fake.fails.add(PICTURE + b"b")
    result = run("upload", str(pictures), "--wait", "--json")
    found = {Path(line["file"]).name: line for line in lines(result)}
    assert {name: line["status"] for name, line in found.items()} == {
        "a.jpg": "complete",
        "b.jpg": "failed",
        "large.jpg": "refused",
        "notes.txt": "skipped",
    }
    assert found["b.jpg"]["error"] == {"reason": "it is broken", "retryable": True, "attempts": 3}
    a = found["a.jpg"]
    assert set(a) == {"file", "id", "status", "created", "renditions", "error", "seconds"}
    assert (a["created"], a["error"], [each["name"] for each in a["renditions"]]) == (True, None, ["150"])
    assert found["large.jpg"]["error"]["type"] == "/problems/image-too-large"
    assert found["large.jpg"]["error"]["reason"].endswith("Do it right.")
    assert result.exit_code == 1
    assert result.stderr == ""


def test_a_second_upload_is_already_there(run: Run, pictures: Path, fake: FakeServer) -> None:
    first = run("upload", str(pictures / "a.jpg"))
    assert first.exit_code == 0
    fake.finish(next(iter(fake.images)))
    again = run("upload", str(pictures / "a.jpg"))
    assert again.exit_code == 0
    assert "complete, already uploaded, 1 renditions" in again.stdout
    assert "1 files: 1 already uploaded" in again.stdout
    assert len(fake.images) == 1


def test_what_is_no_picture_fails_where_it_was_named(run: Run, pictures: Path) -> None:
    (pictures / "large.jpg").unlink()
    assert run("upload", str(pictures)).exit_code == 0
    named = run("upload", str(pictures / "notes.txt"), str(pictures / "gone.jpg"), str(pictures / "a.jpg"))
    assert named.exit_code == 1
    assert "not a supported image" in named.stdout
    assert "no such file" in named.stdout
    assert "a.jpg: pending, already uploaded" in named.stdout


def test_a_missing_file_is_told_before_a_missing_stack(run: Run, pictures: Path, tmp_path: Path) -> None:
    nowhere = {"HELIOGRAPH_API": None, "HELIOGRAPH_EVENTS": None}
    only = run("upload", str(tmp_path / "gone.jpg"), **nowhere)
    assert (only.exit_code, only.stderr) == (1, "")
    assert "no such file" in only.stdout
    both = run("upload", str(tmp_path / "gone.jpg"), str(pictures / "a.jpg"), **nowhere)
    assert "no such file" in both.stdout
    assert (both.exit_code, "no stack running in" in both.stderr) == (3, True)


def test_upload_sends_the_priority(fake: FakeServer, run: Run, pictures: Path) -> None:
    run("upload", str(pictures / "a.jpg"), "--priority", "low")
    assert fake.received("POST")[0].query["priority"] == "low"
    assert run("upload", str(pictures), "--priority", "whenever").exit_code == 2


def test_upload_past_the_gateway(fake: FakeServer, run: Run, pictures: Path) -> None:
    assert run("upload", str(pictures / "a.jpg"), "--direct").exit_code == 0
    [put] = fake.received("PUT", "/store")
    assert put.body == (pictures / "a.jpg").read_bytes()
    assert fake.received("POST", "/v1/images") == []


def test_upload_gives_up_waiting(run: Run, pictures: Path) -> None:
    result = run("upload", str(pictures / "a.jpg"), "--wait", "--timeout", "0.2", "--json")
    [line] = lines(result)
    assert (line["status"], result.exit_code) == ("timeout", 1)
    assert line["id"]


def test_a_bad_token_ends_all_and_every_file_is_told(run: Run, pictures: Path) -> None:
    result = run("upload", str(pictures), "--json", HELIOGRAPH_TOKEN="bad")
    statuses = sorted(line["status"] for line in lines(result))
    assert statuses == ["not_sent", "not_sent", "not_sent", "skipped"]
    assert result.exit_code == 4
    assert result.stderr.startswith("heliograph: The token is invalid. Do it right. Set ")
    assert len(result.stderr.splitlines()) == 1
    assert "bad" not in result.stderr


def test_an_empty_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("upload", str(tmp_path / "empty"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no files found in" in result.stderr


def test_images_ls(fake: FakeServer, run: Run) -> None:
    for number in range(5):
        fake.add_image(f"{number}.jpg", "failed" if number % 2 else "complete")
    assert [line["name"] for line in lines(run("images", "ls", "--json", "--limit", "3"))] == [
        "4.jpg",
        "3.jpg",
        "2.jpg",
    ]
    assert len(lines(run("images", "ls", "--json", "--all"))) == 5
    assert len(lines(run("images", "ls", "--json", "--all", "--status", "failed"))) == 2
    assert run("images", "ls", "--search", "x -y", "--name", "z", "--source", "upload").exit_code == 0
    assert {key: fake.requests[-1].query[key] for key in ("q", "name")} == {"q": "x -y", "name": "z"}
    assert run("images", "ls", "-q", "x").exit_code == 0
    assert fake.requests[-1].query["q"] == "x"
    table = run("images", "ls").stdout.splitlines()
    assert len(table) == 6
    assert "4.jpg" in table[1]


def test_names_cannot_steer_the_terminal(fake: FakeServer, run: Run) -> None:
    image = fake.add_image("evil\x1b[2J\x07\u202e.jpg")
    for shown in (run("images", "ls"), run("images", "get", image["id"])):
        assert "\x1b" not in shown.stdout
        assert "evil\ufffd[2J\ufffd\ufffd.jpg" in shown.stdout


def test_images_get(fake: FakeServer, run: Run) -> None:
    image = fake.add_image()
    assert json.loads(run("images", "get", image["id"], "--json").stdout)["renditions"][0]["name"] == "150"
    assert "a.jpg: complete, 100 %" in run("images", "get", image["id"]).stdout
    failed = fake.add_image(status="failed")
    assert f"heliograph images retry {failed['id']}" in run("images", "get", failed["id"]).stdout
    missing = run("images", "get", UNKNOWN)
    assert (missing.exit_code, missing.stdout, len(missing.stderr.splitlines())) == (1, "", 1)


def test_images_rm_goes_on_after_a_failure(fake: FakeServer, run: Run) -> None:
    image = fake.add_image()
    result = run("images", "rm", UNKNOWN, image["id"], "--json")
    assert [line["status"] for line in lines(result)] == ["not_found", "deleted"]
    assert (result.exit_code, fake.images) == (1, {})


def test_images_retry(fake: FakeServer, run: Run) -> None:
    failed = [fake.add_image(status="failed")["id"] for _ in range(3)]
    complete = fake.add_image()["id"]
    assert run("images", "retry", failed[0]).stdout == f"{failed[0]}: pending\n"
    assert [line["id"] for line in lines(run("images", "retry", "--all-failed", "--json"))] == failed[:0:-1]
    assert run("images", "retry", complete).exit_code == 1
    assert run("images", "retry", "--all-failed").stdout == "No failed images.\n"
    assert run("images", "retry").exit_code == 2


def test_images_download(fake: FakeServer, run: Run, tmp_path: Path) -> None:
    image = fake.add_image("sunrise.png", content=b"original")
    folder = tmp_path / "new" / "folder"
    assert run("images", "download", image["id"], "-o", str(folder)).stdout == f"{folder / 'sunrise.png'}\n"
    result = run("images", "download", image["id"], "--all", "-o", str(folder), "--json")
    assert [line["rendition"] for line in lines(result)] == ["original", "150"]
    assert (folder / "sunrise-150.jpg").read_bytes() == b"thumbnail"
    unknown = run("images", "download", image["id"], "9", "-o", str(folder))
    assert (unknown.exit_code, unknown.stderr) == (
        1,
        "heliograph: 9: no rendition named '9'; available: original, 150\n",
    )


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..\\..\\passwd", "passwd", ".passwd", "a\n/passwd"]
)
def test_a_download_stays_in_its_folder(fake: FakeServer, name: str) -> None:
    image = Image.model_validate(fake.add_image(name))
    assert file_name(image, image.original) == "passwd"
    assert file_name(image, image.renditions[0]) == "passwd-150.jpg"
    nameless = Image.model_validate(fake.add_image(".."))
    assert file_name(nameless, nameless.original) == str(nameless.id)


def test_queue(run: Run) -> None:
    assert json.loads(run("queue", "--json").stdout)["waiting"] == 3
    shown = run("queue").stdout
    assert "thumbnailer-normal" in shown
    assert "last 24 hours, your images: 7 complete, 1 failed" in shown


def test_dead_letters(fake: FakeServer, run: Run) -> None:
    for number in ("7", "8"):
        fake.add_letter(number, subject="work.render.low")
    assert [line["id"] for line in lines(run("dead-letters", "ls", "--json"))] == ["7", "8"]
    assert "it is broken" in run("dead-letters", "ls").stdout
    assert "subject: work.render.low" in run("dead-letters", "show", "7").stdout
    assert lines(run("dead-letters", "replay", "7", "--json"))[0]["status"] == "replayed"
    assert run("dead-letters", "drop", "8", "9").exit_code == 1
    assert fake.letters == {}


def test_quarantine(fake: FakeServer, run: Run) -> None:
    assert "quarantine" not in run("queue").stdout + run("dead-letters", "ls").stdout
    made = [fake.add_quarantined() for _ in range(3)]
    assert [line["id"] for line in lines(run("quarantine", "ls", "--all", "--json"))] == made[::-1]
    assert len(lines(run("quarantine", "ls", "--limit", "1", "--json"))) == 1
    shown = run("quarantine", "ls").stdout
    assert "2,000,000 bytes are over the limit" in shown
    assert "dead.thumbnailer" in shown
    told = "3 messages in quarantine cannot be published; list with: heliograph quarantine ls\n"
    assert told in run("queue").stdout
    assert run("dead-letters", "ls").stdout.endswith(told)
    assert lines(run("dead-letters", "ls", "--json")) == []
    assert json.loads(run("queue", "--json").stdout)["outbox"]["quarantined"] == 3
    released = lines(run("quarantine", "release", made[0], "--json"))
    assert released == [{"id": made[0], "status": "released"}]
    assert run("quarantine", "release", made[0]).exit_code == 1
    assert "1 message in quarantine" not in run("queue").stdout
    assert run("quarantine", "drop", made[1], UNKNOWN).exit_code == 1
    assert "1 message in quarantine" in run("queue").stdout
    assert list(fake.quarantined) == [made[2]]


def test_sizes(fake: FakeServer, run: Run, tmp_path: Path) -> None:
    size = {
        "name": "s",
        "kind": "thumbnail",
        "width": 10,
        "height": 20,
        "fit": "cover",
        "format": "webp",
        "quality": 80,
    }
    file = tmp_path / "sizes.json"
    file.write_text(json.dumps({"sizes": [size]}))
    assert run("sizes", "set", str(file)).exit_code == 0
    assert json.loads(run("sizes", "get", "--json").stdout) == {"sizes": [size]}
    assert "webp" in run("sizes", "get").stdout
    file.write_text('{"sizes": [{"name": "s"}]}')
    wrong = run("sizes", "set", str(file))
    assert (wrong.exit_code, "sizes/0/kind: Field required" in wrong.stderr) == (2, True)


LOST = {
    "kind": "rendition_missing",
    "found": 2,
    "repaired": 0,
    "repairable": True,
    "remedy": "Repair renders it again.",
    "samples": [{"repaired": False, "about": {"image_id": "x", "name": "300"}}],
}


def test_check(fake: FakeServer, run: Run) -> None:
    nothing = run("check", "--last")
    assert (nothing.exit_code, "no check has run yet" in nothing.stderr) == (1, True)
    assert run("check").exit_code == 0
    fake.findings = [LOST]
    told = run("check")
    assert told.exit_code == 1
    assert "rendition_missing: Repair renders it again." in told.stdout
    assert "image_id x, name 300" in told.stdout
    assert run("check", "--last").exit_code == 1
    mended = run("check", "--repair", "--json")
    assert mended.exit_code == 0
    found = json.loads(mended.stdout)
    assert (found["state"], found["repair"], found["found"], found["repaired"]) == ("complete", True, 2, 2)
    fake.findings = [LOST | {"repairable": False}]
    assert run("check", "--repair").exit_code == 1


def test_a_check_while_one_is_running(fake: FakeServer, run: Run) -> None:
    fake.faults["POST /v1/admin/checks"].append(problem(409, "conflict", "check 7 is running"))
    refused = run("check")
    assert refused.exit_code == 1
    assert "check 7 is running" in refused.stderr


def test_a_token_file(fake: FakeServer, run: Run, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert run("queue", "--token-file", str(tmp_path / "token"), HELIOGRAPH_TOKEN=None).exit_code == 0
    assert run("queue", HELIOGRAPH_TOKEN=None).exit_code == 4
    missing = run("queue", "--token-file", str(tmp_path / "none"))
    assert (missing.exit_code, missing.stderr) == (1, f"heliograph: {tmp_path / 'none'}: No such file or directory\n")


def test_the_stack_is_found_by_its_folder(fake: FakeServer, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "connection.json"
    file.write_text(json.dumps({"api": fake.api, "events": fake.events, "token": TOKEN, "admin_token": None}))
    file.chmod(0o644)
    refused = run("queue", "--data", str(tmp_path), HELIOGRAPH_TOKEN="bad")
    assert (refused.exit_code, f"chmod 600 {file}" in refused.stderr) == (3, True)
    file.chmod(0o600)
    assert run("queue", "--data", str(tmp_path), HELIOGRAPH_TOKEN="bad").exit_code == 0


def test_what_the_server_breaks_is_one_line(fake: FakeServer, run: Run) -> None:
    fake.faults["GET /v1/queue"].append(problem(500, "internal-error", "the request\ncould not be handled"))
    broken = run("queue")
    assert (broken.exit_code, len(broken.stderr.splitlines())) == (1, 1)
    fake.faults["GET /v1/queue"].append(Foreign(Response("<html>", 404, media_type="text/html")))
    assert run("queue").stderr == "heliograph: the server answered 404 Not Found\n"

"""``heliograph words``: what it asks the server, what it says, its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.client.cli.support import Run, lines
from tests.unit.client.fake import FakeServer
from tests.unit.client.support import UNKNOWN

HEADER = "text,language,id\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three good lines and two bad ones."""
    path = tmp_path / "words.csv"
    path.write_text(HEADER + "gull,en,1\n,en,2\nsea,en,3\nboat,english,4\nharbour,en,5\n", encoding="utf-8")
    return path


def test_a_file_is_sent(fake: FakeServer, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "words.tsv"
    file.write_text("text\trank\tsource\ngull\t1\tmine\nsea\t2\tmine\n", encoding="utf-8")
    done = run("words", "import", str(file), "--language", "en")
    assert (done.exit_code, done.stdout) == (0, "2 words: 2 created, 0 updated, 0 unchanged\n")
    assert done.stderr == f"heliograph: {file}: columns that are not used: source\n"
    assert fake.words.bulks == [
        [{"text": "gull", "language": "en", "rank": 1}, {"text": "sea", "language": "en", "rank": 2}]
    ]
    assert json.loads(run("words", "import", str(file), "--language", "en", "--json").stdout) == {
        "received": 2, "created": 0, "updated": 0, "unchanged": 2, "duplicates": 0, "skipped": 0,
    }  # fmt: skip


def test_nothing_is_sent_of_a_file_with_bad_lines(fake: FakeServer, run: Run, file: Path) -> None:
    done = run("words", "import", str(file))
    assert (done.exit_code, done.stdout, fake.words.bulks) == (1, "", [])
    first, second, last = done.stderr.splitlines()
    assert first == f"heliograph: {file}:3: no text; fill it in, or remove the line"
    assert f"{file}:5: language 'english' is no code" in second
    assert "nothing was sent" in last
    many = file.with_name("many.csv")
    many.write_text(HEADER + ",en,1\n" * 30, encoding="utf-8")
    assert f"{many}: and 10 more lines" in run("words", "import", str(many)).stderr


def test_bad_lines_can_be_skipped(fake: FakeServer, run: Run, file: Path) -> None:
    done = run("words", "import", str(file), "--skip-bad")
    assert (done.exit_code, done.stdout) == (0, "3 words: 3 created, 0 updated, 0 unchanged, 2 skipped\n")
    assert f"{file}:3: skipped: no text" in done.stderr
    assert [word["text"] for word in fake.words.bulks[0]] == ["gull", "sea", "harbour"]


def test_many_words_are_sent_in_several_requests(fake: FakeServer, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "words.csv"
    rows = [f"word {number},en,{number}" for number in range(5)]
    file.write_text(HEADER + "\n".join(rows), encoding="utf-8")
    assert run("words", "import", str(file), "--bulk", "2").stdout.startswith("5 words: 5 created")
    assert [len(bulk) for bulk in fake.words.bulks] == [2, 2, 1]
    rows[-1] = "refused,en,x"
    file.write_text(HEADER + "\n".join(rows), encoding="utf-8")
    done = run("words", "import", str(file), "--bulk", "2")
    assert done.exit_code == 1
    assert f"{file}:6: text: Must be polite" in done.stderr


def test_what_is_no_list_of_words(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text(HEADER, encoding="utf-8")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    for name, told in (
        ("empty.csv", "no words found"),
        ("other.csv", "no column `text`"),
        ("gone.csv", "No such file"),
    ):
        done = run("words", "import", str(tmp_path / name))
        assert (done.exit_code, told in done.stderr) == (1, True), done.stderr


def test_sync_and_stats(fake: FakeServer, run: Run) -> None:
    done = run("words", "sync", "--type", "recent", "--days", "3")
    assert fake.words.requests == [{"type": "recent", "days": 3}]
    assert done.stdout == "1,500 words added; 1,643 wait for an image\n17 of 25 requests of this hour are used\n"
    fake.words.paused = "the access key is refused"
    shown = run("words", "stats")
    assert "28,343 words: 1,187 with an image, 27,143 waiting, 13 without a result" in shown.stdout
    assert "requests are paused until " in shown.stdout
    assert "the access key is refused" in shown.stdout
    assert "rest" in shown.stdout
    assert json.loads(run("words", "stats", "--json").stdout)["queue"]["total"] == 27_143
    assert json.loads(run("words", "sync", "--json").stdout)["added"] == 1500
    assert run("words", "sync", "--type", "some").exit_code == 2


def test_a_word_is_shown_with_its_image(fake: FakeServer, run: Run) -> None:
    fake.words.add("4711", "gull", "a", "b", translation="Möwe", rank=1812)
    fake.words.stored = {
        "state": "stored", "image_id": UNKNOWN, "expires_at": "2026-01-02T03:04:05Z", "error": None,
        "renditions": [{"name": "300", "kind": "thumbnail", "width": 300, "height": 200, "format": "jpeg", "url": "https://b"}],
    }  # fmt: skip
    for named in ("4711", "Gull"):
        done = run("words", "show", named)
        assert done.exit_code == 0, done.stderr
        first, url, credit, about, others, stored, *_ = done.stdout.splitlines()
        assert first == "word 4711: gull (en), Möwe, rank 1,812"
        assert (url, others) == ("https://images.example/a", "other photos: b")
        assert credit == "Photo by Jeff on Unsplash: https://unsplash.example/photos/a"
        assert about == "photo a, 4000 x 3000: A gull\N{REPLACEMENT CHARACTER}[2J over the sea"
        assert (stored, "https://b" in done.stdout) == (f"stored as image {UNKNOWN}", True)
    told = json.loads(run("words", "show", "4711", "--json").stdout)
    assert (told["word"]["id"], told["image"]["photo"]["photo_id"], told["image"]["stored"]["state"]) == (
        "4711", "a", "stored",
    )  # fmt: skip


def test_a_word_that_waits(fake: FakeServer, run: Run) -> None:
    fake.words.add("1", "gull")
    fake.words.waits = 1
    done = run("words", "show", "1")
    assert done.exit_code == 0
    assert "waiting: place 3 in the queue, due about 20" in done.stdout
    assert "2 words are searched for before this one." in done.stdout
    assert "https://images.example/found-late" in run("words", "show", "1", "--wait").stdout
    fake.words.missed.add("1")
    missing = run("words", "show", "1")
    assert (missing.exit_code, "no results" in missing.stderr) == (1, True)
    fake.words.add("2", "sea")
    fake.words.waits = 1_000
    late = run("words", "show", "2", "--wait", "--timeout", "0.3")
    assert (late.exit_code, "heliograph words show 2" in late.stderr) == (1, True)


def test_another_photo_and_a_named_one(fake: FakeServer, run: Run) -> None:
    fake.words.add("1", "gull", "a", "b", "photo-c")
    assert "https://images.example/b" in run("words", "show", "1", "--another").stdout
    assert "https://images.example/photo-c" in run("words", "show", "1", "--photo", "photo-c").stdout
    assert "https://images.example/new-photo" in run("words", "show", "1", "--photo", "new-photo", "--wait").stdout
    assert fake.words.requests == [{}, {"photo_id": "photo-c"}, {"photo_id": "new-photo"}]
    both = run("words", "show", "1", "--photo", "photo-c", "--another")
    assert (both.exit_code, "either" in both.stderr) == (2, True)


def test_words_by_their_text(fake: FakeServer, run: Run) -> None:
    fake.words.add("1", "Bank", language="de")
    fake.words.add("2", "bank", "a")
    fake.words.add("3", "banknote")
    several = run("words", "show", "bank")
    assert (several.exit_code, "1 (de), 2 (en)" in several.stderr) == (1, True)
    assert run("words", "show", "banknote").exit_code == 0
    assert run("words", "show", "gull").exit_code == 1
    assert run("words", "show", "1", HELIOGRAPH_TOKEN="bad").exit_code == 4
    assert [line["id"] for line in lines(run("words", "ls", "--json", "--limit", "2"))] == ["1", "2"]
    listed = run("words", "ls", "--search", "bank", "--language", "en", "--all").stdout.splitlines()
    assert [line.split()[:2] for line in listed[1:]] == [["2", "bank"], ["3", "banknote"]]


def test_the_vocabulary(fake: FakeServer, run: Run) -> None:
    fake.words.add("1", "gull")
    assert run("words", "vocabulary", "add", "gull").stdout == "gull (1) is in your vocabulary\n"
    assert [line["id"] for line in lines(run("words", "vocabulary", "ls", "--json"))] == ["1"]
    assert "gull" in run("words", "vocabulary", "ls").stdout
    assert run("words", "vocabulary", "remove", "1").exit_code == 0
    assert fake.words.learned == []
    assert run("words", "vocabulary", "remove", "1").exit_code == 1

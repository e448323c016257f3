"""Which files an upload means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from heliograph_client.cli.candidates import candidates, refusal

JPEG = b"\xff\xd8\xff\xe0 and so on"


def write(path: Path, content: bytes = JPEG) -> Path:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(found: object) -> list[tuple[str, bool]]:
    """Names, and whether each was named."""
    return [(each.path.name, each.named) for each in found]  # type: ignore[attr-defined]


def test_folders_expand_in_order_without_what_is_hidden(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/1.jpg", "a/3.jpg", ".git/4.jpg", "b/.5.jpg", "0.jpg"):
        write(tmp_path / name)
    found = names(candidates([str(tmp_path)]))
    assert found == [("0.jpg", False), ("3.jpg", False), ("1.jpg", False), ("2.jpg", False)]


def test_patterns_expand(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.png", "deep/3.jpg"):
        write(tmp_path / name)
    assert names(candidates([f"{tmp_path}/*.jpg"])) == [("1.jpg", False)]
    assert names(candidates([f"{tmp_path}/**/*.jpg"])) == [("1.jpg", False), ("3.jpg", False)]
    write(tmp_path / "[1].jpg")
    assert names(candidates([f"{tmp_path}/[1].jpg"])) == [("[1].jpg", True)]


def test_each_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "a.jpg")
    monkeypatch.chdir(tmp_path)
    assert names(candidates([str(file), str(tmp_path), "a.jpg", "./a.jpg"])) == [("a.jpg", True)]


@pytest.mark.parametrize(
    "head",
    [
        JPEG,
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\x01\0\0\0WEBPVP8 ",
        b"II*\0",
        b"\0\0\0\x1cftypavif\0\0\0\0mif1",
        b"\0\0\0\x1cftypmsf1\0\0\0\0heic",
        b"BM",
    ],
)
def test_what_may_be_a_picture_is_sent(tmp_path: Path, head: bytes) -> None:
    assert refusal(write(tmp_path / "a", head + bytes(40))) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"%PDF-1.7", "PDF document"),
        (b"PK\x03\x04", "archive"),
        (b"\0\0\0\x1cftypisom\0\0\0\0mp41", "a video"),
        (b"Dear all,", "not a supported image"),
        (b"RIFF\x01\0\0\0WAVE", "not a supported image"),
    ],
)
def test_what_is_none_is_not_sent(tmp_path: Path, content: bytes, reason: str) -> None:
    assert reason in str(refusal(write(tmp_path / "picture.jpg", content)))


def test_what_cannot_be_read(tmp_path: Path) -> None:
    assert "no such file" in str(refusal(tmp_path / "none.jpg"))
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in str(refusal(tmp_path / "pipe"))

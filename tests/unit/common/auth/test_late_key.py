"""The key appears, changes, is refused and disappears while the service runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliograph_common.auth.late_key import CHECK_SECONDS, LateKey


class Time:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self) -> None:
        self.now += CHECK_SECONDS


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "openai_api_key"


def test_a_fixed_key() -> None:
    assert LateKey(" sk-1 ").current() == "sk-1"
    assert LateKey().state() == LateKey(" ").state() == "missing credentials"


def test_a_file_that_appears_changes_and_disappears(file: Path, time: Time) -> None:
    credentials = LateKey(file=lambda: file, clock=time)
    found: list[str] = [credentials.state()]
    for content in ("sk-1\n", "sk-2", "sk-2\n\n", " \n"):
        file.write_text(content)
        time.pass_by()
        found.append(credentials.current() or credentials.state())
    file.write_text("sk-3")
    time.pass_by()
    assert credentials.current() == "sk-3"
    file.unlink()
    time.pass_by()
    assert credentials.current() is None
    assert found == ["missing credentials", "sk-1", "sk-2", "sk-2", "missing credentials"]


def test_a_volume_of_kubernetes(tmp_path: Path, time: Time) -> None:
    """Its symbolic link is exchanged; sizes and times may be the same."""
    for name in ("1", "2"):
        (tmp_path / f"..{name}").mkdir()
        (tmp_path / f"..{name}" / "key").write_text(f"sk-{name}")
    link = tmp_path / "..data"
    link.symlink_to("..1")
    file = tmp_path / "key"
    file.symlink_to("..data/key")
    credentials = LateKey(file=lambda: file, clock=time)
    assert credentials.current() == "sk-1"
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(link)
    time.pass_by()
    assert credentials.current() == "sk-2"


def test_the_file_is_read_once_a_second_at_most(file: Path, time: Time) -> None:
    file.write_text("sk-1")
    credentials = LateKey(file=lambda: file, clock=time)
    assert credentials.current() == "sk-1"
    file.write_text("sk-2")
    assert credentials.current() == "sk-1"
    time.pass_by()
    assert credentials.current() == "sk-2"


def test_the_fixed_key_holds_until_there_is_a_file(file: Path, time: Time) -> None:
    credentials = LateKey("sk-fixed", file=lambda: file, clock=time)
    assert credentials.current() == "sk-fixed"
    file.write_text("sk-file")
    time.pass_by()
    assert credentials.current() == "sk-file"
    file.unlink()
    time.pass_by()
    assert credentials.current() is None


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * 100_000])
def test_what_is_no_key_is_none(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert LateKey(file=lambda: file).current() is None


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    assert LateKey(file=lambda: tmp_path).current() is None


def test_a_refused_key_stays_refused_until_another_comes_or_it_is_accepted(file: Path, time: Time) -> None:
    file.write_text("sk-1")
    credentials = LateKey(file=lambda: file, clock=time)
    credentials.refuse("sk-1")
    assert credentials.state() == "refused"
    file.write_text("sk-2")
    time.pass_by()
    assert credentials.state() == "configured"
    assert credentials.is_refused("sk-1")
    file.write_text("sk-1")
    time.pass_by()
    assert credentials.state() == "refused"
    credentials.accept("sk-1")
    assert credentials.state() == "configured"


def test_a_file_that_cannot_be_looked_up(time: Time) -> None:
    def forbidden() -> Path | None:
        raise PermissionError

    assert LateKey("sk-fixed", file=forbidden, clock=time).current() == "sk-fixed"


def test_the_key_is_in_no_representation(file: Path) -> None:
    file.write_text("sk-secret")
    credentials = LateKey("sk-secret", file=lambda: file)
    credentials.refuse(credentials.current() or "")
    assert "sk-secret" not in f"{credentials!r}{credentials!s}"

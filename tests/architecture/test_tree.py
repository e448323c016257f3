"""What holds for the tree as a whole. import-linter (``make check``) holds the layers apart, ``test_services``
says where services are listed; this is the rest."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_MODULE = 350
LONGEST_OF_ALL = 600
"""Lines, tests and scripts included: what is longer is split where the parts have names."""


def _tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_locks_have_hashes_and_no_addresses(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    pins = re.findall(r"^[a-z0-9][^\s=]*==", text, re.MULTILINE | re.IGNORECASE)
    assert pins
    assert text.count("--hash=sha256:") >= len(pins)


def test_modules_say_what_they_are_and_stay_small() -> None:
    for path in _tracked("libs/*/src/*.py", "services/*/src/*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(('"""', 'r"""')), f"{path.relative_to(ROOT)} does not open with what it owns"
        assert text.count("\n") <= LONGEST_MODULE, f"{path.relative_to(ROOT)} is longer than {LONGEST_MODULE} lines"


def test_no_module_is_longer_than_can_be_read_at_once() -> None:
    lengths = {path.relative_to(ROOT): path.read_text(encoding="utf-8").count("\n") for path in _tracked("*.py")}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_OF_ALL} == {}


def test_every_adr_is_listed() -> None:
    listed = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    for path in _tracked("docs/adr/[0-9]*.md"):
        assert path.name in listed


def test_links_between_documents_lead_somewhere() -> None:
    for path in _tracked("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.relative_to(ROOT)} links to {target}"


def test_modules_that_docstrings_and_pages_name_are_there() -> None:
    """A module that was moved leaves its old name in the words of others. Decision records tell of their own time."""
    names = {path.relative_to(ROOT).as_posix() for path in _tracked()}
    gone = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in _tracked("*.py", "*.md")
        if "adr" not in path.parts
        for name in re.findall(r"`([\w/]+\.py)`", path.read_text(encoding="utf-8"))
        if not any(known == name or known.endswith(f"/{name}") for known in names)
    ]
    assert gone == []

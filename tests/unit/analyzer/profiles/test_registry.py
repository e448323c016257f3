"""Profiles are found by being there."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest

from heliograph_analyzer.profiles.port import Profile
from heliograph_analyzer.profiles.registry import PROFILES, found

BIRDS = """
from heliograph_analyzer.profiles.port import RULES, Facts, Profile, Result


class Birds(Result):
    species: list[str]


PROFILE = Profile(
    name="{name}", version=1, prompt=f"Name the birds. {{RULES}}", result=Birds, max_output_tokens=300,
    facts=lambda result: Facts(tags=result["species"]),
)
"""
_numbers = itertools.count()


def profiles_of(folder: Path, monkeypatch: pytest.MonkeyPatch, **modules: str) -> Mapping[str, Profile]:
    package = folder / f"profiles_{next(_numbers)}"
    package.mkdir()
    for name, source in modules.items():
        (package / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    return found(package.name, [str(package)])


def test_those_that_come_with_the_analyzer() -> None:
    assert {"describe", "food"} <= PROFILES.keys()


def test_a_new_profile_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = profiles_of(tmp_path, monkeypatch, birds=BIRDS.format(name="birds"))
    assert list(profiles) == ["birds"]
    assert profiles["birds"].schema["properties"] == {"species": {"type": "array", "items": {"type": "string"}}}
    assert profiles["birds"].facts({"species": ["Robin"]}).tags == ("robin",)


def test_dashes_of_a_name_are_underscores_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(profiles_of(tmp_path, monkeypatch, sea_birds=BIRDS.format(name="sea-birds"))) == ["sea-birds"]


def test_a_file_that_is_no_profile_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="has no PROFILE"):
        profiles_of(tmp_path, monkeypatch, birds="PROFIL = 1")


def test_a_file_of_another_name_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"'birds' is in bees\.py"):
        profiles_of(tmp_path, monkeypatch, bees=BIRDS.format(name="birds"))


@pytest.mark.parametrize("name", ["", "Birds", "-birds", "b" * 41, "birds/.."])
def test_names_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ValueError, match="does not match"):
        profiles_of(tmp_path, monkeypatch, birds=BIRDS.format(name=name))

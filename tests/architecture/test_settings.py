"""docs/reference/settings.md is what the settings classes say, and every setting says what it is."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, Field, SecretStr
from scripts import settings_reference

from heliograph_common.settings import ServiceSettings


class _Group(BaseModel):
    """What ``keys`` are for."""

    key: SecretStr | None = Field(None, description="A key.")
    seconds: float = Field(2.5, gt=0, description="Seconds, 2|3.")


class _One(ServiceSettings):
    keys: _Group = _Group()


class _Two(ServiceSettings):
    keys: _Group = _Group()


class _Undescribed(ServiceSettings):
    extra: int = 3


class _Different(ServiceSettings):
    drain_seconds: float = Field(5.0, description="Something else.")


def test_the_reference_is_up_to_date() -> None:
    made = settings_reference.page(
        {name: settings_reference.settings_class(name) for name in settings_reference.SERVICES}
    )
    assert settings_reference.PAGE.read_text(encoding="utf-8") == made, "run: make generate"


def test_a_setting_has_its_variable_type_default_and_readers() -> None:
    lines = settings_reference.page({"one": _One, "other": ServiceSettings, "two": _Two}).splitlines()
    assert "| `HELIOGRAPH_KEYS__KEY` | secret | none | A key. | one, two |" in lines
    assert "| `HELIOGRAPH_KEYS__SECONDS` | number > 0 | `2.5` | Seconds, 2\\|3. | one, two |" in lines
    assert "What `keys` are for." in lines
    assert any(line.startswith("| `HELIOGRAPH_DRAIN_SECONDS` |") and line.endswith("| all |") for line in lines)


def test_a_setting_without_a_description_is_refused() -> None:
    with pytest.raises(ValueError, match="extra has no description"):
        settings_reference.page({"one": _Undescribed})


def test_services_that_describe_a_setting_differently_are_refused() -> None:
    with pytest.raises(ValueError, match=r"differ in .* HELIOGRAPH_DRAIN_SECONDS"):
        settings_reference.page({"one": ServiceSettings, "two": _Different})

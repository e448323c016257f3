"""The vision model's key may come after the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliograph_analyzer.models.connect import credentials_of
from heliograph_analyzer.settings import AnalyzerSettings


@pytest.mark.parametrize("variable", ["HELIOGRAPH_OPENAI__API_KEY_FILE", "HELIOGRAPH_SECRETS_DIR"])
def test_a_service_starts_without_its_key_and_takes_it_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """By the name that a variable says, or by that of the older food service."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("HELIOGRAPH_SECRETS_DIR", str(tmp_path / "none"))
    file = tmp_path / "openai_api_key"
    monkeypatch.setenv(variable, str(tmp_path if variable == "HELIOGRAPH_SECRETS_DIR" else file))
    settings = AnalyzerSettings().openai
    before = credentials_of(settings)
    assert (settings.api_key, before.state()) == (None, "missing credentials")
    file.write_text("sk-late\n")
    assert credentials_of(settings).current() == "sk-late"

"""Where work comes from, as it is set."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from heliograph_common.settings import ServiceSettings


@pytest.mark.parametrize(
    ("given", "meant", "held_back"),
    [
        ("nats", "nats", None),
        ("postgresql", "postgresql", "work.render."),
        ("outbox", "postgresql", "work.render."),  # its former name
    ],
)
def test_where_work_comes_from(monkeypatch: pytest.MonkeyPatch, given: str, meant: str, held_back: str | None) -> None:
    monkeypatch.setenv("HELIOGRAPH_RENDER_SOURCE", given)
    settings = ServiceSettings()
    assert (settings.render_source, settings.held_back()) == (meant, held_back)


def test_nothing_else_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOGRAPH_RENDER_SOURCE", "s3")
    with pytest.raises(ValidationError, match="nats"):
        ServiceSettings()

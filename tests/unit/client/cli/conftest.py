"""Commands against the fake server, in-process."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.client.cli.support import Run
from tests.unit.client.fake import TOKEN, FakeServer
from typer.testing import CliRunner, Result

from heliograph_client.cli.main import app


@pytest.fixture
def run(fake: FakeServer, tmp_path: Path) -> Run:
    """Runs ``heliograph`` against the fake."""
    environment = {
        "HELIOGRAPH_API": fake.api,
        "HELIOGRAPH_EVENTS": fake.events,
        "HELIOGRAPH_TOKEN": TOKEN,
        "HELIOGRAPH_DATA": str(tmp_path / "no-stack"),
    }

    def go(*arguments: str, input: str | None = None, **changes: str | None) -> Result:  # noqa: A002 - as of invoke
        return CliRunner().invoke(app, arguments, input=input, env={**environment, **changes}, catch_exceptions=False)

    return go

"""``heliograph version``."""

from __future__ import annotations

import importlib.metadata
import json
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def version(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False) -> None:
    """Show the version of this client."""
    number = importlib.metadata.version("heliograph-client")
    typer.echo(json.dumps({"version": number}) if as_json else number)

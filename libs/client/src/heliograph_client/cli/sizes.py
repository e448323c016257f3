"""``heliograph sizes``: the sizes that images are rendered in."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict, ValidationError

from heliograph_client.cli.session import USAGE, Session, command
from heliograph_client.cli.tables import show_table
from heliograph_client.models import DisplaySize

app = typer.Typer(
    help="Show and replace the sizes that images are rendered in.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


class Sizes(BaseModel):
    """The JSON document that ``get --json`` prints and ``set`` reads."""

    model_config = ConfigDict(extra="forbid")

    sizes: list[DisplaySize]


@app.command()
@command
async def get(session: Session) -> None:
    """Show the sizes. The output of --json is the input of `set`."""
    async with session.client() as client:
        _show(session, await client.display_sizes())


@app.command("set")
@command
async def put(
    session: Session,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="File in the format of `get --json`; - reads standard input.")
    ],
) -> int:
    """Replace all sizes. They apply to new uploads; requires an administrator's token."""
    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    try:
        wanted = Sizes.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "/".join(map(str, first["loc"])) or "the document"
        session.warn(f"{file}: {where}: {first['msg']}; `heliograph sizes get --json` shows the format")
        return USAGE
    async with session.client() as client:
        _show(session, await client.set_display_sizes(wanted.sizes))
    return 0


def _show(session: Session, sizes: Sequence[DisplaySize]) -> None:
    if session.as_json:
        session.json_document(Sizes(sizes=list(sizes)))
        return
    show_table(
        ("name", "kind", "width#", "height#", "fit", "format", "quality#"),
        [(each.name, each.kind, each.width, each.height, each.fit, each.format, each.quality) for each in sizes],
    )

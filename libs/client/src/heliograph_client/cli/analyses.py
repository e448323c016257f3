"""``heliograph analyses``: show one analysis, and list those of an image. ``analyzing`` has images analyzed."""

from __future__ import annotations

from typing import Annotated

import typer

from heliograph_client.analysis_models import Analysis
from heliograph_client.cli.answers import (
    answer_of,
    confidence_of,
    cost_of,
    count,
    dollars,
    lines_of,
    reason_of,
    tokens_of,
    waits,
)
from heliograph_client.cli.session import SOME_FAILED, Session, command
from heliograph_client.cli.tables import show_table

app = typer.Typer(
    help="Show analyses and list those of an image.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)


@app.command()
@command
async def get(
    session: Session, analysis_id: Annotated[str, typer.Argument(metavar="ID", help="An analysis ID.")]
) -> int:
    """Show an analysis and its result."""
    async with session.client() as client:
        found = await client.analysis(analysis_id)
    if session.as_json:
        session.json_document(found)
    else:
        _show(session, found)
    return SOME_FAILED if found.status == "failed" else 0


@app.command()
@command
async def ls(session: Session, image_id: Annotated[str, typer.Argument(metavar="ID", help="An image ID.")]) -> None:
    """List the analyses of an image."""
    async with session.client() as client:
        all_of_it = await client.analyses(image_id)
    if session.as_json:
        for each in all_of_it:
            session.json_line(each)
    else:
        show_table(_COLUMNS, [_row(each) for each in all_of_it])


_COLUMNS = ("id", "profile", "status", "answer", "confidence#", "source", "tokens#", "cost#")


def _row(found: Analysis) -> tuple[object, ...]:
    told = reason_of(found) or waits(found) or answer_of(found)
    about = (found.id, found.profile, found.status, told)
    return *about, confidence_of(found), found.source, tokens_of(found), cost_of(found)


def _show(session: Session, found: Analysis) -> None:
    by = f" by {found.model}" if found.model else ""
    session.say(f"analysis {found.id}: {found.status}")
    session.say(f"{found.profile}{by}, of image {found.image_id}")
    if (reason := reason_of(found)) is not None:
        session.say(f"failed: {reason}")
    if (waiting := waits(found)) is not None:
        session.say(waiting)
    if found.result is not None:
        from_ = " (the result for an equal image was known)" if found.source == "cache" else ""
        usage = found.usage
        cost = "cost unknown" if usage.cost_usd is None else dollars(usage.cost_usd)
        tokens = f"{count(usage.input_tokens)} input and {count(usage.output_tokens)} output tokens"
        session.say(f"{usage.calls} calls, {tokens}, {cost}{from_}")
        show_table(("field", "value"), lines_of(found.result))

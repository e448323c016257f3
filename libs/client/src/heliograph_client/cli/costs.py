"""``heliograph costs``: what analyses used of models, by day, profile and model."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from heliograph_client.analysis_models import UsageTotals
from heliograph_client.cli.answers import count, dollars
from heliograph_client.cli.session import Session, command
from heliograph_client.cli.tables import show_table

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_DAY = ["%Y-%m-%d"]


@app.command()
@command
async def costs(
    session: Session,
    first: Annotated[
        datetime | None,
        typer.Option("--from", metavar="DAY", formats=_DAY, help="First day, in UTC. 30 days up to --to by default."),
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", metavar="DAY", formats=_DAY, help="Last day, in UTC. Today by default.")
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Another owner, or * for all together. Requires an administrator's token."),
    ] = None,
) -> None:
    """Show calls, tokens and cost of analyses."""
    days = [None if each is None else each.date() for each in (first, last)]
    async with session.client() as client:
        report = await client.analysis_usage(*days, owner=owner)
    if session.as_json:
        session.json_document(report)
        return
    whose = "all owners" if report.owner == "*" else report.owner
    session.say(f"Analyses of {whose}, {report.first_day} to {report.last_day} (UTC)")
    rows = [(each.day, each.profile, each.model, *_numbers(each)) for each in report.days]
    show_table(_COLUMNS, [*rows, ("total", "", "", *_numbers(report.total))])
    if report.total.unpriced_calls:
        session.say(
            f"{count(report.total.unpriced_calls)} calls are not in the cost: the price of their model is unknown."
        )


_COLUMNS = ("day", "profile", "model", "calls#", "from cache#", "input tokens#", "output tokens#", "cost#")


def _numbers(used: UsageTotals) -> tuple[str, ...]:
    counted = (used.calls, used.cache_hits, used.input_tokens, used.output_tokens)
    return *(count(each) for each in counted), dollars(used.cost_usd)

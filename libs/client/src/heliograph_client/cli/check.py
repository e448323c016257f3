"""``heliograph check``: has the server compare its rows with objects and streams, and tells what is wrong."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from heliograph_client.cli.bars import Bars
from heliograph_client.cli.session import SOME_FAILED, Session, command
from heliograph_client.cli.tables import moment, show_table
from heliograph_client.client import AsyncClient
from heliograph_client.models import Check

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_EVERY = 1.0


@app.command()
@command
async def check(
    session: Session,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    last: Annotated[bool, typer.Option("--last", help="Show the newest check instead of starting one.")] = False,
) -> int:
    """Compare rows with objects and streams, and say what is wrong; for administrators.

    It runs on the server: Ctrl-C leaves it running, and --last shows it then. Exit codes: 0 nothing is wrong or all of it
    was mended, 1 findings are left or the check did not complete, others as everywhere.
    """
    async with session.client() as client:
        if last:
            found = await client.last_check()
            if found is None:
                session.warn("there was no check yet; `heliograph check` starts one")
                return SOME_FAILED
        else:
            found = await _follow(session, client, await client.start_check(repair=repair))
    if session.as_json:
        session.json_document(found)
    else:
        _show(session, found)
    return 0 if found.state in {"complete", "running"} and not found.left else SOME_FAILED


async def _follow(session: Session, client: AsyncClient, started: Check) -> Check:
    found = started
    with Bars(1, shown=sys.stderr.isatty() and not session.as_json) as bars, bars.bar("check") as bar:
        while found.state == "running":
            bar.at(found.progress, found.error or found.step or "")
            await asyncio.sleep(min(_EVERY, 0.1 if found.progress == 0 else _EVERY))
            found = await client.check(found.id)
    return found


def _show(session: Session, found: Check) -> None:
    rows: list[tuple[object, ...]] = []
    for each in found.findings:
        about = [", ".join(f"{name} {value}" for name, value in sample.about.items()) for sample in each.samples[:1]]
        rows.append((each.kind, each.found, each.repaired, *(about or [""])))
    if rows:
        show_table(("finding", "found#", "repaired#", "the first"), rows)
    for each in found.findings:
        if each.found > each.repaired:
            session.say(f"{each.kind}: {each.remedy}")
    done = f"finished {moment(found.finished_at)}" if found.finished_at else f"{found.progress} percent"
    why = f"; {found.error}" if found.error else ""
    session.say(f"check {found.id}: {found.state}, {done}; {found.found} findings, {found.repaired} repaired{why}")

"""``heliograph check``: has the server compare the database with the object store and the streams."""

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
    repair: Annotated[bool, typer.Option("--repair", help="Repair the differences that can be repaired.")] = False,
    last: Annotated[bool, typer.Option("--last", help="Show the latest check instead of starting one.")] = False,
) -> int:
    """Compare the database with the object store and the streams, and report differences.

    Requires an administrator's token. The check runs on the server: it continues after Ctrl-C, and --last shows it. Exit
    codes: 0 no findings, or all were repaired; 1 findings remain or the check did not complete; others as in `heliograph
    --help`.
    """
    async with session.client() as client:
        if last:
            found = await client.last_check()
            if found is None:
                session.warn("no check has run yet; start one with: heliograph check")
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
        show_table(("finding", "found#", "repaired#", "example"), rows)
    for each in found.findings:
        if each.found > each.repaired:
            session.say(f"{each.kind}: {each.remedy}")
    done = f"finished {moment(found.finished_at)}" if found.finished_at else f"{found.progress} %"
    why = f"; {found.error}" if found.error else ""
    session.say(f"check {found.id}: {found.state}, {done}; {found.found} findings, {found.repaired} repaired{why}")

"""``heliograph queue``: what is still to do."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from heliograph_client.cli.session import Session, command
from heliograph_client.cli.tables import age, quarantined, show_table
from heliograph_client.models import QueueStatus

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
@command
async def queue(
    session: Session,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it, until Ctrl-C.")] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks with --watch.")] = 2.0,
) -> None:
    """Show what is still to do, and what was finished in the last 24 hours."""
    async with session.client() as client:
        while True:
            status = await client.queue()
            if not session.as_json:
                _show(session, status)
            elif watch:
                session.json_line(status)
            else:
                session.json_document(status)
            if not watch:
                return
            await asyncio.sleep(interval)


def _show(session: Session, status: QueueStatus) -> None:
    if status.nats == "unavailable":
        session.say("NATS is away: uploads are still taken, and rendered more slowly.")
    rows: list[tuple[object, ...]] = [
        (each.consumer, each.waiting, each.active, each.delayed, age(each.oldest_seconds)) for each in status.consumers
    ]
    rows.append(("all", status.waiting, status.active, status.delayed, age(status.oldest_seconds)))
    show_table(("consumer", "waiting#", "active#", "delayed#", "oldest#"), rows)
    whose = "of all owners" if status.counted == "all" else "yours"
    outbox = f"; {status.outbox.depth} messages not yet in NATS" if status.outbox.depth else ""
    if status.outbox.quarantined:
        session.say(quarantined(status.outbox.quarantined))
    session.say(f"last 24 hours, {whose}: {status.completed} complete, {status.failed} failed{outbox}")

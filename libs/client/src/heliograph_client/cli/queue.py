"""``heliograph queue``: what waits to be processed."""

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
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until interrupted with Ctrl-C.")] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between refreshes with --watch.")] = 2.0,
) -> None:
    """Show the processing queue, and the images finished in the last 24 hours."""
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
        session.say("NATS is unavailable: uploads are accepted, rendering is slower.")
    rows: list[tuple[object, ...]] = [
        (each.consumer, each.waiting, each.active, each.delayed, age(each.oldest_seconds)) for each in status.consumers
    ]
    rows.append(("all", status.waiting, status.active, status.delayed, age(status.oldest_seconds)))
    show_table(("consumer", "waiting#", "active#", "delayed#", "oldest#"), rows)
    whose = "all owners" if status.counted == "all" else "your images"
    outbox = f"; {status.outbox.depth} messages not yet published to NATS" if status.outbox.depth else ""
    if status.outbox.quarantined:
        session.say(quarantined(status.outbox.quarantined))
    session.say(f"last 24 hours, {whose}: {status.completed} complete, {status.failed} failed{outbox}")

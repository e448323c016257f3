"""``heliograph watch``: events as they happen."""

from __future__ import annotations

import logging
import sys
from contextlib import aclosing
from typing import Annotated

import typer

from heliograph_client.cli.session import Session, command
from heliograph_client.models import Event, Reset

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
@command
async def watch(
    session: Session,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help="Show only events of this type, such as image.ready or image.*. Repeatable."),
    ] = None,
    cursor: Annotated[str | None, typer.Option(help="Start after the event with this cursor.")] = None,
) -> None:
    """Stream events until interrupted with Ctrl-C."""
    _log_reconnects(session)
    async with session.client() as client, aclosing(client.events(cursor=cursor, types=types or ())) as events:
        async for item in events:
            if session.as_json:
                session.json_line(item if isinstance(item, Event) else {"type": "reset", **item.model_dump()})
            else:
                session.say(_line(item))


def _line(item: Event | Reset) -> str:
    if isinstance(item, Reset):
        return f"-- events were missed ({item.reason}); continuing at cursor {item.cursor}"
    at = item.time.astimezone().strftime("%H:%M:%S") if item.time else ""
    data = item.data
    progress = f"{data['progress']!s:>3} %" if "progress" in data else None
    parts = [at, f"{item.type:<24}", progress, item.subject, data.get("name"), data.get("text")]
    parts += [data.get("profile"), data.get("reason")]
    return "  ".join(str(part) for part in parts if part)


def _log_reconnects(session: Session) -> None:
    """On a terminal, reports on standard error when the connection is lost and restored."""
    if not sys.stderr.isatty():
        return

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            session.warn(record.getMessage())

    logger = logging.getLogger("heliograph_client.events")
    logger.setLevel(logging.INFO)
    logger.addHandler(Handler())

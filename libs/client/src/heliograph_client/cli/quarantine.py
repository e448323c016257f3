"""``heliograph quarantine``: messages that cannot be published; for administrators."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated, Any

import typer

from heliograph_client.cli.images import for_each
from heliograph_client.cli.session import Session, command
from heliograph_client.cli.tables import moment, show_table, size
from heliograph_client.client import AsyncClient

app = typer.Typer(
    help="List, release and delete messages that cannot be published. Requires an administrator's token.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)

Ids = Annotated[list[str], typer.Argument(metavar="ID", help="One or more message IDs.")]


@app.command()
@command
async def ls(
    session: Session,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of messages to list.")] = 50,
    every: Annotated[bool, typer.Option("--all", help="List all messages; overrides --limit.")] = False,
) -> None:
    """List quarantined messages, newest first."""
    rows: list[tuple[object, ...]] = []
    given = 0
    async with (
        session.client() as client,
        aclosing(client.quarantine(page_size=200 if every else min(limit, 200))) as messages,
    ):
        async for each in messages:
            if session.as_json:
                session.json_line(each)
            else:
                rows.append(
                    (each.id, moment(each.quarantined_at), each.subject, each.owner, size(each.bytes), each.reason)
                )
            given += 1
            if given == limit and not every:
                break
    if not session.as_json:
        show_table(("id", "quarantined", "subject", "owner", "size#", "reason"), rows)


@app.command()
@command
async def release(session: Session, ids: Ids) -> int:
    """Publish messages again, after the cause has been fixed."""

    async def let_go(client: AsyncClient, message_id: str) -> dict[str, Any]:
        await client.release_quarantined(message_id)
        return {"id": message_id, "status": "released"}

    async with session.client() as client:
        return await for_each(session, ids, lambda message_id: let_go(client, message_id))


@app.command()
@command
async def drop(session: Session, ids: Ids) -> int:
    """Delete messages without publishing them."""

    async def remove(client: AsyncClient, message_id: str) -> dict[str, Any]:
        await client.drop_quarantined(message_id)
        return {"id": message_id, "status": "dropped"}

    async with session.client() as client:
        return await for_each(session, ids, lambda message_id: remove(client, message_id))

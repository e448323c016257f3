"""``heliograph dead-letters``: messages whose processing failed for good; for administrators."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated, Any

import typer

from heliograph_client.cli.images import for_each
from heliograph_client.cli.session import Session, command
from heliograph_client.cli.tables import moment, quarantined, show_table
from heliograph_client.client import AsyncClient
from heliograph_client.models import DeadLetter

app = typer.Typer(
    help="List, show, replay and delete messages that could not be processed. Requires an administrator's token.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)

Ids = Annotated[list[str], typer.Argument(metavar="ID", help="One or more dead letter IDs.")]


@app.command()
@command
async def ls(
    session: Session,
    service: Annotated[
        str | None, typer.Option(help="Show only dead letters of this service, such as thumbnailer.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of dead letters to list.")] = 50,
    every: Annotated[bool, typer.Option("--all", help="List all dead letters; overrides --limit.")] = False,
) -> None:
    """List dead letters, newest first."""
    rows: list[tuple[object, ...]] = []
    given = aside = 0
    async with (
        session.client() as client,
        aclosing(client.dead_letters(service=service, page_size=200 if every else min(limit, 200))) as letters,
    ):
        async for letter in letters:
            if session.as_json:
                session.json_line(letter)
            else:
                rows.append(
                    (
                        letter.id,
                        moment(letter.died_at),
                        letter.service,
                        letter.deliveries,
                        letter.image_id,
                        letter.reason,
                    )
                )
            given += 1
            if given == limit and not every:
                break
        if not session.as_json:
            aside = (await client.queue()).outbox.quarantined
    if not session.as_json:
        show_table(("id", "died", "service", "deliveries#", "image", "reason"), rows)
    if aside:
        session.say(quarantined(aside))


@app.command()
@command
async def show(
    session: Session, letter_id: Annotated[str, typer.Argument(metavar="ID", help="A dead letter ID.")]
) -> None:
    """Show a dead letter with its message."""
    async with session.client() as client:
        letter = await client.dead_letter(letter_id)
    if session.as_json:
        session.json_document(letter)
        return
    for name in DeadLetter.model_fields:
        session.say(f"{name}: {getattr(letter, name)}")


@app.command()
@command
async def replay(session: Session, ids: Ids) -> int:
    """Send the messages of dead letters again."""

    async def again(client: AsyncClient, letter_id: str) -> dict[str, Any]:
        done = await client.replay_dead_letter(letter_id)
        return {"id": letter_id, "status": "replayed", **done.model_dump(mode="json")}

    async with session.client() as client:
        return await for_each(session, ids, lambda letter_id: again(client, letter_id))


@app.command()
@command
async def drop(session: Session, ids: Ids) -> int:
    """Delete dead letters."""

    async def remove(client: AsyncClient, letter_id: str) -> dict[str, Any]:
        await client.drop_dead_letter(letter_id)
        return {"id": letter_id, "status": "dropped"}

    async with session.client() as client:
        return await for_each(session, ids, lambda letter_id: remove(client, letter_id))

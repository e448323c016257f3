"""``heliograph imports``: list, show, cancel and retry imports, and list their files. ``heliograph import`` has the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from heliograph_client.cli.provider_tokens import token_in
from heliograph_client.cli.session import SOME_FAILED, Session, command
from heliograph_client.cli.tables import age, moment, show_table, size
from heliograph_client.import_models import Import, ImportFile, ImportFileStatus, ImportStatus

app = typer.Typer(
    help="List, show, cancel and retry imports.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)

ImportId = Annotated[str, typer.Argument(metavar="ID", help="An import ID.")]
ProviderTokenFile = Annotated[
    Path | None,
    typer.Option(
        "--provider-token-file",
        metavar="FILE",
        help="File with your own OAuth token for the provider: JSON with access_token and, to outlast it, refresh_token; "
        "or the access token alone.",
    ),
]

_PAGE, _FILES = 100, 200
Item = TypeVar("Item")


@app.command()
@command
async def ls(
    session: Session,
    status: Annotated[ImportStatus | None, typer.Option(help="Show only imports with this status.")] = None,
    source: Annotated[str | None, typer.Option(help="Show only imports from this source.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of imports to list.")] = 20,
    every: Annotated[bool, typer.Option("--all", help="List all imports; overrides --limit.")] = False,
) -> None:
    """List imports, newest first."""
    wanted = None if every else limit
    async with session.client() as client:
        found = client.imports(status=status, source=source, page_size=_PAGE if every else min(limit, _PAGE))
        async with aclosing(found) as imports:
            if session.as_json:
                async for each in _first(imports, wanted):
                    session.json_line(each)
            else:
                show_table(_COLUMNS, [_row(each) async for each in _first(imports, wanted)])


@app.command()
@command
async def get(session: Session, import_id: ImportId) -> None:
    """Show an import and its progress."""
    async with session.client() as client:
        show(session, await client.get_import(import_id))


@app.command()
@command
async def files(
    session: Session,
    import_id: ImportId,
    status: Annotated[ImportFileStatus | None, typer.Option(help="Show only files with this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of files to list.")] = 50,
    every: Annotated[bool, typer.Option("--all", help="List all files; overrides --limit.")] = False,
) -> None:
    """List the files of an import, and why those failed that did."""
    wanted = None if every else limit
    async with session.client() as client:
        found = client.import_files(import_id, status=status, page_size=_FILES if every else min(limit, _FILES))
        async with aclosing(found) as listed:
            if session.as_json:
                async for each in _first(listed, wanted):
                    session.json_line(each)
            else:
                show_table(_FILE_COLUMNS, [_file_row(each) async for each in _first(listed, wanted)])


@app.command()
@command
async def cancel(session: Session, import_id: ImportId) -> None:
    """Cancel an import. Images that it has created remain."""
    async with session.client() as client:
        show(session, await client.cancel_import(import_id))


@app.command()
@command
async def retry(session: Session, import_id: ImportId, provider_token_file: ProviderTokenFile = None) -> None:
    """Retry the files and folders that failed and, of a canceled or failed import, what was left undone."""
    token = token_in(provider_token_file) if provider_token_file else None
    async with session.client() as client:
        show(session, await client.retry_import(import_id, authorization=token))


def show(session: Session, found: Import) -> int:
    """Prints an import; the exit code that goes with how it stands."""
    if session.as_json:
        session.json_document(found)
    else:
        session.say(f"import {found.id}: {found.status}{'' if found.finished else f', {found.progress} %'}")
        session.say(f"{name_of(found)}, from {found.source}")
        session.say(told_of(found))
        _say_what_is_wrong(session, found)
    return SOME_FAILED if _went_wrong(found) else 0


def name_of(found: Import) -> str:
    """What people call what is imported."""
    return found.name or found.url or f"{found.counts.found} URLs"


def told_of(found: Import) -> str:
    """Counts, bytes, rate, time left, and what it waits for, in a line."""
    counts = found.counts
    told = [f"{counts.done} of {counts.found}{'' if found.listing.complete or found.finished else ' or more'} files"]
    named = ("imported", "unchanged", "skipped", "failed", "canceled")
    told += [f"{getattr(counts, name)} {name}" for name in named if getattr(counts, name)]
    if found.bytes.imported:
        told.append(size(found.bytes.imported))
    if found.waiting:
        told.append(f"waiting until {moment(found.waiting.until)}: {found.waiting.reason}")
    elif not found.finished:
        told += [pace(found)] if pace(found) else []
    return ", ".join(told)


def pace(found: Import) -> str:
    """Rate and time left, as far as they are known."""
    told = []
    if found.rate.files_per_second:
        told.append(f"{found.rate.files_per_second:.1f} files/s")
    if found.rate.bytes_per_second:
        told.append(f"{size(round(found.rate.bytes_per_second))}/s")
    if found.remaining_seconds is not None:
        told.append(f"{age(found.remaining_seconds)} left")
    return ", ".join(told)


def _went_wrong(found: Import) -> bool:
    """Whether it has ended and something is left to be retried."""
    return found.finished and bool(found.status != "completed" or found.counts.failed or found.listing.errors)


def _say_what_is_wrong(session: Session, found: Import) -> None:
    if found.error:
        session.say(f"failed: {found.error.detail}")
    for each in found.listing.errors:
        if not (found.error and each.reason == found.error.detail):
            session.say(f"not listed: {each.path or '/'}: {each.reason}")
    if found.counts.failed:
        session.say(f"see why with: heliograph import files {found.id} --status failed")
    if _went_wrong(found):
        session.say(f"retry with: heliograph import retry {found.id}")


_COLUMNS = ("id", "source", "name", "status", "%#", "found#", "imported#", "failed#", "created")
_FILE_COLUMNS = ("path", "status", "size#", "image", "reason")


def _row(found: Import) -> tuple[object, ...]:
    counts = found.counts
    about = (found.id, found.source, name_of(found), found.status, found.progress)
    return *about, counts.found, counts.imported, counts.failed, moment(found.created_at)


def _file_row(file: ImportFile) -> tuple[object, ...]:
    return file.path, file.status, "" if file.bytes is None else size(file.bytes), file.image_id, file.reason


async def _first(items: AsyncIterator[Item], count: int | None) -> AsyncIterator[Item]:
    given = 0
    async for item in items:
        yield item
        given += 1
        if given == count:
            return

"""``heliograph images``: list, show, delete, retry and download pictures."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import typer

from heliograph_client.cli.session import SOME_FAILED, USAGE, Session, command, plain
from heliograph_client.cli.tables import moment, show_table, size
from heliograph_client.client import AsyncClient
from heliograph_client.errors import HeliographError, NotFound, ProblemError, Unauthorised, Unreachable
from heliograph_client.models import Image, Rendition, Status

app = typer.Typer(
    help="List, show, download, delete and retry pictures.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)

_PAGE = 200
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of pictures.")]


@app.command()
@command
async def ls(
    session: Session,
    status: Annotated[Status | None, typer.Option(help="Only those in this state.")] = None,
    source: Annotated[str | None, typer.Option(help="Only those that came this way, such as upload.")] = None,
    q: Annotated[str | None, typer.Option("-q", "--query", help="Only those with this text in their name.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    every: Annotated[bool, typer.Option("--all", help="All, however many.")] = False,
) -> None:
    """List pictures, newest first."""
    wanted = None if every else limit
    async with session.client() as client:
        found = client.list(status=status, source=source, q=q, page_size=_PAGE if every else min(limit, _PAGE))
        async with aclosing(found) as images:
            if session.as_json:
                async for image in _first(images, wanted):
                    session.json_line(image)
            else:
                show_table(_COLUMNS, [_row(image) async for image in _first(images, wanted)])


@app.command()
@command
async def get(
    session: Session, image_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a picture.")]
) -> None:
    """Show one picture and its renditions."""
    async with session.client() as client:
        image = await client.get(image_id)
    if session.as_json:
        session.json_document(image)
        return
    _show(session, image)


@app.command()
@command
async def rm(session: Session, ids: Ids) -> int:
    """Delete pictures and their renditions."""

    async def remove(client: AsyncClient, image_id: str) -> dict[str, Any]:
        await client.delete(image_id)
        return {"id": image_id, "status": "deleted"}

    async with session.client() as client:
        return await for_each(session, ids, lambda image_id: remove(client, image_id))


@app.command()
@command
async def retry(
    session: Session,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="Ids of failed pictures.")] = None,
    all_failed: Annotated[bool, typer.Option("--all-failed", help="Every picture that has failed.")] = False,
) -> int:
    """Try failed pictures again."""
    if bool(ids) == all_failed:
        session.warn("name the ids of failed pictures, or give --all-failed")
        return USAGE

    async def again(client: AsyncClient, image_id: str) -> dict[str, Any]:
        return {"id": image_id, "status": (await client.retry(image_id)).status}

    async with session.client() as client:
        wanted = ids or [str(image.id) async for image in client.list(status="failed", page_size=_PAGE)]
        if not wanted and not session.as_json:
            session.say("No picture has failed.")
        return await for_each(session, wanted, lambda image_id: again(client, image_id))


@app.command()
@command
async def download(
    session: Session,
    image_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a picture.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RENDITION...]", help="Names of renditions; the original when left out."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The original and all renditions.")] = False,
    folder: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where to put them.")] = Path(),
) -> int:
    """Save the original of a picture, or renditions of it, as files."""
    if names and every:
        session.warn("name renditions or give --all, not both")
        return USAGE
    async with session.client() as client:
        image = await client.get(image_id)
        there = {rendition.name: rendition for rendition in (image.original, *image.renditions)}
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)

        async def save(name: str) -> dict[str, Any]:
            if name not in there:
                raise HeliographError(f"there is no rendition {name!r} of it; it has {', '.join(there)}")
            path = await client.download(there[name], folder / file_name(image, there[name]))
            return {"id": str(image.id), "rendition": name, "file": str(path), "bytes": there[name].bytes}

        wanted = list(there) if every else names or ["original"]
        return await for_each(session, wanted, save)


async def for_each(session: Session, names: Sequence[str], act: Callable[[str], Awaitable[dict[str, Any]]]) -> int:
    """Acts on one after another, and tells of each; one that fails does not hold up the others."""
    failed = 0
    for name in names:
        try:
            done = await act(name)
        except (Unauthorised, Unreachable):
            raise
        except HeliographError as error:
            failed += 1
            if session.as_json:
                problem = error.problem.model_dump(mode="json") if isinstance(error, ProblemError) else {}
                status = "not_found" if isinstance(error, NotFound) else "failed"
                session.json_line({"id": name, "status": status, "error": {"reason": str(error), **problem}})
            else:
                session.warn(f"{name}: {error}")
        else:
            if session.as_json:
                session.json_line(done)
            else:
                session.say(str(done["file"]) if "file" in done else f"{name}: {done['status']}")
    return SOME_FAILED if failed else 0


def file_name(image: Image, rendition: Rendition) -> str:
    """A name for the file of a rendition. The image's own name is a stranger's: only its last part is used."""
    own = PurePosixPath(plain(image.name).replace("\\", "/").replace("\n", "")).name.lstrip(".") or str(image.id)
    if rendition.kind == "original":
        return own
    suffix = mimetypes.guess_extension(f"image/{rendition.format}") or f".{rendition.format}"
    return f"{PurePosixPath(own).stem}-{rendition.name}{suffix}"


_COLUMNS = ("id", "name", "status", "%#", "size#", "pixels", "created")


def _row(image: Image) -> tuple[object, ...]:
    pixels = f"{image.width}x{image.height}"
    created = moment(image.created_at)
    return image.id, image.name, image.status, image.progress, size(image.bytes), pixels, created


def _show(session: Session, image: Image) -> None:
    session.say(f"{image.name}: {image.status}, {image.progress} %")
    session.say(f"{image.mime_type}, {image.width}x{image.height}, {size(image.bytes)}, from {image.source}")
    session.say(f"created {moment(image.created_at)}, sha256 {image.sha256}")
    if image.error:
        help_ = f"; try again with: heliograph images retry {image.id}" if image.error.retryable else ""
        session.say(f"failed after {image.error.attempts} attempts: {image.error.reason}{help_}")
    show_table(
        ("rendition", "kind", "pixels", "format", "size#"),
        [
            (each.name, each.kind, f"{each.width}x{each.height}", each.format, size(each.bytes))
            for each in image.renditions
        ],
    )


async def _first(images: AsyncIterator[Image], count: int | None) -> AsyncIterator[Image]:
    given = 0
    async for image in images:
        yield image
        given += 1
        if given == count:
            return

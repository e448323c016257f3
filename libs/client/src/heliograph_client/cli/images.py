"""``heliograph images``: list, show, download, delete and retry images."""

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
    help="List, show, download, delete and retry images.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)

_PAGE = 200
Ids = Annotated[list[str], typer.Argument(metavar="ID", help="One or more image IDs.")]


@app.command()
@command
async def ls(
    session: Session,
    status: Annotated[Status | None, typer.Option(help="Show only images with this status.")] = None,
    source: Annotated[str | None, typer.Option(help="Show only images from this source, such as upload.")] = None,
    name: Annotated[str | None, typer.Option(help="Show only images whose name contains this text.")] = None,
    search: Annotated[
        str | None,
        typer.Option(
            "-q",
            "--search",
            "--query",
            help="Show only images with these words in the name, caption, alternative text or tags. "
            "'beach -people' excludes a word, '\"red car\"' searches for words in a row.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of images to list.")] = 50,
    every: Annotated[bool, typer.Option("--all", help="List all images; overrides --limit.")] = False,
) -> None:
    """List images, newest first."""
    wanted = None if every else limit
    async with session.client() as client:
        size_of_page = _PAGE if every else min(limit, _PAGE)
        found = client.list(status=status, source=source, name=name, q=search, page_size=size_of_page)
        async with aclosing(found) as images:
            if session.as_json:
                async for image in _first(images, wanted):
                    session.json_line(image)
            else:
                show_table(_COLUMNS, [_row(image) async for image in _first(images, wanted)])


@app.command()
@command
async def get(session: Session, image_id: Annotated[str, typer.Argument(metavar="ID", help="An image ID.")]) -> None:
    """Show an image and its renditions."""
    async with session.client() as client:
        image = await client.get(image_id)
    if session.as_json:
        session.json_document(image)
        return
    _show(session, image)


@app.command()
@command
async def rm(session: Session, ids: Ids) -> int:
    """Delete images and their renditions."""

    async def remove(client: AsyncClient, image_id: str) -> dict[str, Any]:
        await client.delete(image_id)
        return {"id": image_id, "status": "deleted"}

    async with session.client() as client:
        return await for_each(session, ids, lambda image_id: remove(client, image_id))


@app.command()
@command
async def retry(
    session: Session,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="IDs of failed images.")] = None,
    all_failed: Annotated[bool, typer.Option("--all-failed", help="Retry all failed images.")] = False,
) -> int:
    """Process failed images again."""
    if bool(ids) == all_failed:
        session.warn("give either image IDs or --all-failed")
        return USAGE

    async def again(client: AsyncClient, image_id: str) -> dict[str, Any]:
        return {"id": image_id, "status": (await client.retry(image_id)).status}

    async with session.client() as client:
        wanted = ids or [str(image.id) async for image in client.list(status="failed", page_size=_PAGE)]
        if not wanted and not session.as_json:
            session.say("No failed images.")
        return await for_each(session, wanted, lambda image_id: again(client, image_id))


@app.command()
@command
async def download(
    session: Session,
    image_id: Annotated[str, typer.Argument(metavar="ID", help="An image ID.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="RENDITION", help="Names of renditions. Defaults to the original."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Download the original and all renditions.")] = False,
    folder: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to save to; created if missing.")
    ] = Path(),
) -> int:
    """Download the original of an image, or its renditions."""
    if names and every:
        session.warn("give either rendition names or --all, not both")
        return USAGE
    async with session.client() as client:
        image = await client.get(image_id)
        there = {rendition.name: rendition for rendition in (image.original, *image.renditions)}
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)

        async def save(name: str) -> dict[str, Any]:
            if name not in there:
                raise HeliographError(f"no rendition named {name!r}; available: {', '.join(there)}")
            path = await client.download(there[name], folder / file_name(image, there[name]))
            return {"id": str(image.id), "rendition": name, "file": str(path), "bytes": there[name].bytes}

        wanted = list(there) if every else names or ["original"]
        return await for_each(session, wanted, save)


async def for_each(session: Session, names: Sequence[str], act: Callable[[str], Awaitable[dict[str, Any]]]) -> int:
    """Acts on one after another and reports each; a failure does not stop the others."""
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
        help_ = f"; retry with: heliograph images retry {image.id}" if image.error.retryable else ""
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

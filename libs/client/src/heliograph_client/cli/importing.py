"""``heliograph import``: has the server import a folder or a list of URLs, and follows it. What is done to imports
afterwards is in ``imports``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from heliograph_client.cli import imports
from heliograph_client.cli.bars import Bars
from heliograph_client.cli.imports import ProviderTokenFile, name_of, pace, show
from heliograph_client.cli.provider_tokens import token_in
from heliograph_client.cli.session import SOME_FAILED, Session, command
from heliograph_client.cli.tables import moment
from heliograph_client.client import AsyncClient
from heliograph_client.import_models import Import

app = typer.Typer(
    help="Import folders of Google Drive and Dropbox, and lists of URLs.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)
for _action in (imports.ls, imports.get, imports.files, imports.cancel, imports.retry):
    app.command()(_action)

Link = Annotated[str, typer.Argument(metavar="LINK", help="Link to the folder.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the import has ended.")]
Timeout = Annotated[
    float | None, typer.Option(min=0.1, help="Seconds that --wait waits. Without it, as long as needed.")
]
Credential = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name of a credential of the installation to import with.")
]
NoRecursive = Annotated[bool, typer.Option("--no-recursive", help="Do not import the folders inside the folder.")]
Analyze = Annotated[str, typer.Option(metavar="PROFILE", help="Analysis profile for the images.")]


@app.command()
@command
async def folder(  # noqa: PLR0913, PLR0917 - one for each option
    session: Session,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Source of the folder as the API names it, such as google_drive.")
    ],
    link: Link,
    wait: Wait = False,
    timeout: Timeout = None,  # noqa: ASYNC109
    credential: Credential = None,
    provider_token_file: ProviderTokenFile = None,
    no_recursive: NoRecursive = False,
    analyze: Analyze = "",
) -> int:
    """Import a folder of any source that the server has."""
    wanted = {"url": link, "recursive": not no_recursive, "credential": credential, "analyze": analyze}
    return await _import(session, source, wanted, provider_token_file, wait=wait, seconds=timeout)


def _of(source: str, provider: str) -> Callable[..., None]:
    """``folder`` for one source."""

    async def run(
        session: Session,
        link: Link,
        wait: Wait = False,
        timeout: Timeout = None,  # noqa: ASYNC109
        credential: Credential = None,
        provider_token_file: ProviderTokenFile = None,
        no_recursive: NoRecursive = False,
        analyze: Analyze = "",
    ) -> int:
        wanted = {"url": link, "recursive": not no_recursive, "credential": credential, "analyze": analyze}
        return await _import(session, source, wanted, provider_token_file, wait=wait, seconds=timeout)

    run.__doc__ = f"Import a folder of {provider}."
    return command(run)


app.command("drive")(_of("google_drive", "Google Drive"))
app.command("dropbox")(_of("dropbox", "Dropbox"))


@app.command()
@command
async def urls(
    session: Session,
    addresses: Annotated[
        list[str],
        typer.Argument(metavar="URL|FILE|-", help="URLs, files with one URL per line, or - for standard input."),
    ],
    wait: Wait = False,
    timeout: Timeout = None,  # noqa: ASYNC109
    analyze: Analyze = "",
) -> int:
    """Import files from their URLs."""
    listed = list(_listed(addresses))
    if not listed:
        session.warn(f"no URLs found in {', '.join(addresses)}")
        return SOME_FAILED
    return await _import(session, "urls", {"urls": listed, "analyze": analyze}, None, wait=wait, seconds=timeout)


async def _import(
    session: Session,
    source: str,
    wanted: dict[str, Any],
    token_file: Path | None,
    *,
    wait: bool,
    seconds: float | None,
) -> int:
    token = token_in(token_file) if token_file else None
    async with session.client() as client:
        found = await client.start_import(source, **wanted, authorization=token)
        if wait:
            found = await _follow(session, client, found, seconds)
    if wait or session.as_json:
        return show(session, found)
    session.say(f"import {found.id}: {found.status}; follow it with: heliograph import get {found.id}")
    return 0


async def _follow(session: Session, client: AsyncClient, found: Import, seconds: float | None) -> Import:
    shown = sys.stderr.isatty() and not (session.as_json and sys.stdout.isatty())
    with Bars(1, shown=shown) as bars, bars.bar(name_of(found)) as bar:
        return await client.wait_for_import(
            found.id, seconds, on_progress=lambda each: bar.at(each.progress, stage_of(each))
        )


def stage_of(found: Import) -> str:
    """What stands beside the bar."""
    if found.waiting:
        return f"waiting until {moment(found.waiting.until)}: {found.waiting.reason}"
    counts = found.counts
    told = f"{counts.done}/{counts.found}{'' if found.listing.complete else '+'} files"
    return ", ".join(part for part in (told, pace(found)) if part)


def _listed(arguments: Sequence[str]) -> Iterator[str]:
    """The URLs that ``arguments`` name. In files, blank lines and those that begin with ``#`` are left out."""
    for argument in arguments:
        if "://" in argument:
            yield argument
            continue
        text = sys.stdin.read() if argument == "-" else Path(argument).read_text(encoding="utf-8")
        yield from (line for each in text.splitlines() if (line := each.strip()) and not line.startswith("#"))

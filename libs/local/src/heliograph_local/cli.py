"""``heliograph dev``: the embedded stack on the command line.

Mounted under the ``heliograph`` command through the entry point group ``heliograph.commands``. Errors are one line with
the remedy; ``up`` stays in the foreground until Ctrl-C, or returns with ``--detach``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from heliograph_local.connection import Connection
from heliograph_local.detach import READY_LINE, start_detached, stop
from heliograph_local.doubles.addresses import Doubles
from heliograph_local.errors import AlreadyRunning, LocalError
from heliograph_local.folder import Folder, default_folder
from heliograph_local.services import SERVICES, check_installed

if TYPE_CHECKING:  # loaded when needed: every `heliograph` command loads this module, and the servers' clients are slow
    from heliograph_local.first_picture import FirstPicture
    from heliograph_local.stack import Stack

dev = typer.Typer(help="Run Heliograph on this machine, for development and trials.", no_args_is_help=True)
_console = Console(highlight=False, soft_wrap=True)
_errors = Console(stderr=True, highlight=False, soft_wrap=True)

Data = Annotated[
    Path | None, typer.Option("--data", help="Data folder [default: $HELIOGRAPH_DATA or ~/.local/share/heliograph].")
]


@dev.command()
def up(
    data: Data = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background. Stop with `heliograph dev down`.")
    ] = False,
    only_servers: Annotated[bool, typer.Option("--only-servers", help="Start only NATS, PostgreSQL and S3.")] = False,
    with_doubles: Annotated[
        bool,
        typer.Option(
            "--with-doubles",
            help="Start test doubles of Google Drive, Dropbox, OpenAI, Unsplash and a user service: no account is needed.",
        ),
    ] = False,
) -> None:
    """Start the stack and process a sample image."""
    folder = _folder(data)
    with _one_line_errors():
        if detach:
            if pid := folder.owner():
                raise AlreadyRunning(str(folder.path), pid)
            check_installed(() if only_servers else SERVICES)
            given = {"--only-servers": only_servers, "--with-doubles": with_doubles}
            pid = start_detached(folder, [name for name, is_given in given.items() if is_given], _say)
            _say(f"Running in the background (pid {pid}). Stop with: heliograph dev down{_data_option(folder)}")
        else:
            asyncio.run(_up(folder, only_servers=only_servers, with_doubles=with_doubles))


@dev.command()
def down(data: Data = None) -> None:
    """Stop the stack and keep its data."""
    with _one_line_errors():
        folder = _folder(data)
        pid = stop(folder)
        _say(f"Stopped (pid {pid}). Data kept in {folder.path}")


@dev.command()
def status(
    data: Data = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, including tokens.")] = False
) -> None:
    """Show addresses and processes. Exit code 1 if the stack is not running."""
    folder = _folder(data)
    values = _status(folder)
    if as_json:
        typer.echo(json.dumps(values, indent=2))
    elif values["pid"] is None:
        _say(f"Not running in {folder.path}. Start with: heliograph dev up{_data_option(folder)}")
    else:
        _console.print(_process_table(values))
    if values["pid"] is None:
        raise typer.Exit(1)


@dev.command()
def logs(
    service: Annotated[
        str | None, typer.Argument(help="Name of a process as shown by `status`. Defaults to all.")
    ] = None,
    data: Data = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new lines until interrupted with Ctrl-C.")
    ] = False,
) -> None:
    """Print the logs of the processes."""
    folder = _folder(data)
    with _one_line_errors():
        files = sorted(folder.logs.glob(f"{service or '*'}.log"))
        if not files:
            names = ", ".join(sorted(file.stem for file in folder.logs.glob("*.log"))) or "none"
            raise LocalError(f"no log of {service or 'any process'} in {folder.logs}; available: {names}")
        with contextlib.suppress(KeyboardInterrupt):
            _print_logs(files, follow=follow)


@dev.command()
def reset(
    data: Data = None, yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")] = False
) -> None:
    """Delete all data of the stack. It must be stopped."""
    folder = _folder(data)
    with _one_line_errors():
        if pid := folder.owner():
            raise AlreadyRunning(str(folder.path), pid)
        if not yes:
            typer.confirm(f"Delete all images and data in {folder.path}?", abort=True)
        folder.remove()
        _say(f"Deleted {folder.path}")


async def _up(folder: Folder, *, only_servers: bool, with_doubles: bool) -> None:
    from heliograph_local.stack import Stack  # noqa: PLC0415

    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    began = time.monotonic()
    stack = Stack(
        folder.path, () if only_servers else SERVICES, doubles=Doubles() if with_doubles else None, report=_say
    )
    started = asyncio.Event()
    running = asyncio.create_task(_run(stack, began, started, stopping))
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if stopping.is_set():
        _say("Stopping...")
        if not started.is_set():  # later the task ends by itself, and must not be disturbed while it stops all in order
            running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def _run(stack: Stack, began: float, started: asyncio.Event, stopping: asyncio.Event) -> None:
    async with stack:
        _say(f"Started in {time.monotonic() - began:.1f} s. Data folder: {stack.folder.path}")
        image_id = await _show_first_picture(stack.connection) if stack.connection.api else None
        if stack.doubles_url:
            await _show_doubles(stack.doubles_url, image_id)
        if sys.stdout.isatty():
            _say("Press Ctrl-C to stop.")
        _say(READY_LINE)
        started.set()
        await stopping.wait()


async def _show_first_picture(connection: Connection) -> UUID | None:
    """The image, if it was processed."""
    from heliograph_local.first_picture import send_first_picture  # noqa: PLC0415

    image_id = None
    try:
        picture = await send_first_picture(connection)
        image_id = picture.image_id
        _console.print(_picture_table(picture))
    except LocalError as error:
        _errors.print(f"[yellow]The sample image was not processed:[/] {error}")
    _say(f"Page:   {connection.api}/")
    _say(f"Token:  {connection.token}")
    _say("Next:   heliograph upload ~/Pictures/*.jpg --wait")
    return image_id


async def _show_doubles(url: str, image_id: UUID | None) -> None:
    """What there is to import, and who analyzes it."""
    import httpx2  # noqa: PLC0415

    async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
        found = (await client.get(url)).json()
    _say("Import: test doubles stand in for the providers; their pictures are made up. Try:")
    _say(f"        heliograph import drive {found['google_drive']} --wait")
    _say(f"        heliograph import dropbox {found['dropbox']!r} --wait")
    _say(f"        heliograph import urls {found['urls'][0]!r} --wait")
    _say("Analysis: a test double stands in for OpenAI; what it says about pictures is made up, and says so. Try:")
    _say(f"        heliograph analyze {image_id or '~/Pictures/*.jpg'} --profile food --wait")


def _picture_table(picture: FirstPicture) -> Table:
    table = Table("stage", "ms since upload", title=f"Sample image {picture.image_id}")
    for stage, seconds in picture.stages.items():
        table.add_row(stage, f"{seconds * 1000:.0f}")
    return table


def _process_table(values: dict[str, Any]) -> Table:
    table = Table("process", "pid", "state", "port", "restarts", caption_justify="left")
    table.caption = f"api {values['api']}   events {values['events']}   data {values['data']}"
    for row in values["processes"]:
        table.add_row(row["name"], str(row["pid"] or ""), row["state"], str(row["port"]), str(row["restarts"]))
        if row.get("last_end"):
            table.caption += f"\n{row['name']} {row['last_end']}"
    return table


def _status(folder: Folder) -> dict[str, Any]:
    pid = folder.owner()
    values: dict[str, Any] = {"data": str(folder.path), "pid": pid, "phase": "stopped", "processes": []}
    values |= dict.fromkeys(("api", "events", "token", "admin_token", "nats", "postgres", "s3"))
    if pid is not None:
        values |= {key: value for key, value in folder.read_state().items() if key in values}
        with contextlib.suppress(FileNotFoundError):
            values |= {key: value for key, value in Connection.read(folder).as_dict().items() if key in values}
    return values


def _print_logs(files: list[Path], *, follow: bool) -> None:
    width = max(len(file.stem) for file in files)
    with contextlib.ExitStack() as held:
        opened = [(file, held.enter_context(file.open(encoding="utf-8", errors="replace"))) for file in files]
        while True:
            for file, lines in opened:
                if file.stat().st_size < lines.tell():  # it was emptied because it had grown too long
                    lines.seek(0)
                while line := lines.readline():
                    typer.echo(f"{file.stem:<{width}} | {line}" if len(files) > 1 else line, nl=False)
            if not follow:
                return
            time.sleep(0.2)


def _folder(data: Path | None) -> Folder:
    return Folder.at(data or default_folder())


def _data_option(folder: Folder) -> str:
    return "" if folder == Folder.at(default_folder()) else f" --data {folder.path}"


def _say(line: str) -> None:
    _console.print(line, markup=False)


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except LocalError as error:
        _errors.print(f"heliograph: {error}", markup=False)
        raise typer.Exit(1) from None

"""``heliograph``: finds the requested command and loads only that, so that every command starts fast.

Other packages mount theirs through the entry point group ``heliograph.commands``: a name and a ``typer.Typer``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
from difflib import get_close_matches
from typing import Any

import typer
from typer.core import TyperGroup

_COMMANDS = {
    "upload": ("upload", "Upload files, folders and glob patterns."),
    "import": ("importing", "Import folders of Google Drive and Dropbox, and lists of URLs."),
    "imports": ("imports", "List, show, cancel and retry imports."),
    "analyze": ("analyzing", "Have a vision model analyze images."),
    "analyses": ("analyses", "Show analyses and list those of an image."),
    "costs": ("costs", "Show calls, tokens and cost of analyses."),
    "words": ("words", "Send words, and show the images that are found for them."),
    "images": ("images", "List, show, download, delete and retry images."),
    "watch": ("watch", "Stream events as they happen."),
    "queue": ("queue", "Show the processing queue."),
    "dead-letters": ("dead_letters", "List, show, replay and delete dead letters."),
    "quarantine": ("quarantine", "List, release and delete messages that cannot be published."),
    "check": ("check", "Compare the database with the object store and the streams, and repair differences."),
    "sizes": ("sizes", "Show and replace the sizes that images are rendered in."),
    "version": ("version", "Show the version."),
}
"""Name of each command: the module here that has it as ``app``, and its line in the help."""

_EPILOG = (
    "Exit codes: 0 success; 1 at least one item failed; 2 invalid usage; 3 no server reached; 4 token missing or rejected; "
    "130 interrupted. With --json, standard output holds only JSON: one document for a single result, one line for each "
    "result of a list."
)


class Commands(TyperGroup):
    """The commands of this package and those that others mount."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return [*_COMMANDS, *sorted(_mounted())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Loads one."""
        if cmd_name in _COMMANDS:
            module = importlib.import_module(f"heliograph_client.cli.{_COMMANDS[cmd_name][0]}")
            app = module.app
        elif (entry := _mounted().get(cmd_name)) is not None:
            app = entry.load()
        else:
            return None
        command = typer.main.get_command(app)
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Finds the command that ``args`` begin with."""
        near = get_close_matches(args[0], self.list_commands(ctx), n=1)
        if args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            ctx.fail(f"unknown command {args[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Their lines in the help, without loading any."""
        rows = [(name, line) for name, (_, line) in _COMMANDS.items()]
        rows += [(name, _summary(entry)) for name, entry in sorted(_mounted().items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


app = typer.Typer(
    cls=Commands,
    help="Upload images to Heliograph, follow their processing and manage the installation.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def heliograph() -> None:
    """Upload images to Heliograph, follow their processing and manage the installation."""


def main() -> None:
    """The console script. Wrong usage is one line, as every other error is."""
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.format_message(), err=True)
        else:
            path = context.command_path if context else "heliograph"
            typer.echo(f"heliograph: {error.format_message().rstrip('.')}; see: {path} --help", err=True)
        code = error.exit_code
    except typer.Abort:
        code = 1
    _exit(code if isinstance(code, int) else 0)


def _exit(code: int) -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _mounted() -> dict[str, importlib.metadata.EntryPoint]:
    return {entry.name: entry for entry in importlib.metadata.entry_points(group="heliograph.commands")}


def _summary(entry: importlib.metadata.EntryPoint) -> str:
    return entry.dist.metadata["Summary"] if entry.dist else entry.value

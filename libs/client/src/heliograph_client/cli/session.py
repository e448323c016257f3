"""What all commands share: connection options, ``--json``, errors as one line, exit codes, Ctrl-C.

A command is an ``async def`` whose first argument is the ``Session``; ``command`` makes it known to typer.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer
from pydantic import BaseModel, RootModel

from heliograph_client.client import AsyncClient
from heliograph_client.connection import find_connection
from heliograph_client.errors import EventsRefused, HeliographError, NotConfigured, Unauthorised, Unreachable

OK, SOME_FAILED, USAGE, CANNOT_REACH, UNAUTHORISED = range(5)
INTERRUPTED = 130
_PIPE_CLOSED = 141

Parameters = ParamSpec("Parameters")
Command = Callable[Concatenate["Session", Parameters], Coroutine[Any, Any, int | None]]

_SHARED: dict[str, tuple[Any, Any]] = {
    "api": (
        Annotated[str | None, typer.Option("--api", metavar="URL", help="URL of the API [env: HELIOGRAPH_API].")],
        None,
    ),
    "events": (
        Annotated[
            str | None,
            typer.Option("--events", metavar="URL", help="URL of the event stream [env: HELIOGRAPH_EVENTS]."),
        ],
        None,
    ),
    "token_file": (
        Annotated[
            Path | None,
            typer.Option(
                "--token-file",
                metavar="FILE",
                help="File that contains the token [env: HELIOGRAPH_TOKEN, the token itself].",
            ),
        ],
        None,
    ),
    "data": (
        Annotated[
            Path | None,
            typer.Option(
                "--data", metavar="DIR", help="Use the embedded stack in this data folder [env: HELIOGRAPH_DATA]."
            ),
        ],
        None,
    ),
    "as_json": (Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")], False),
}


class _Anything(RootModel[dict[str, Any]]):
    """Lets pydantic write ids, times and models that lie in a dictionary."""


class Session:
    """One call of a command: its connection and its output."""

    def __init__(
        self, *, api: str | None, events: str | None, token_file: Path | None, data: Path | None, as_json: bool
    ) -> None:
        self.as_json = as_json
        self._where: dict[str, Any] = {"api": api, "events": events, "data": data, "token_file": token_file}

    def client(self) -> AsyncClient:
        """A client of the server that the options, the environment or the connection file name.

        Raises:
            NotConfigured: none of them does.
        """
        token_file: Path | None = self._where["token_file"]
        where = {key: value for key, value in self._where.items() if key != "token_file"}
        return AsyncClient(find_connection(**where, token=_token_in(token_file) if token_file else None))

    def json_line(self, value: BaseModel | dict[str, Any]) -> None:
        """One line of JSON."""
        _write(_json(value))

    def json_document(self, value: BaseModel | dict[str, Any]) -> None:
        """The one answer, indented."""
        _write(_json(value, indent=2))

    def say(self, line: str) -> None:
        """A line for people."""
        _write(plain(line))

    def warn(self, line: str) -> None:
        """A line for people on standard error."""
        typer.echo(f"heliograph: {plain(line)}", err=True)


def command(function: Command[Parameters]) -> Callable[..., None]:
    """What typer registers: ``function`` with the shared options added, run in an event loop."""

    @wraps(function)
    def run(**arguments: Any) -> None:
        session = Session(**{name: arguments.pop(name) for name in _SHARED})
        raise typer.Exit(_guarded(session, lambda: asyncio.run(function(session, **arguments))))  # type: ignore[call-arg]

    hints = get_type_hints(function, include_extras=True)
    own = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "session"
    ]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for name, (annotation, default) in _SHARED.items()
    ]
    run.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *shared)}
    del run.__wrapped__  # inspect would look behind the signature
    return run


def exit_code(error: HeliographError) -> int:
    """The exit code that goes with an error."""
    if isinstance(error, NotConfigured | Unreachable):
        return CANNOT_REACH
    if isinstance(error, Unauthorised) or (isinstance(error, EventsRefused) and error.code in {4001, 4002, 4003}):
        return UNAUTHORISED
    return SOME_FAILED


def plain(text: str) -> str:
    """``text`` without control characters: names come from strangers, and a terminal obeys what it is shown."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _guarded(session: Session, work: Callable[[], int | None]) -> int:
    try:
        return work() or OK
    except HeliographError as error:
        session.warn(_one_line(error))
        return exit_code(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of our output has closed it
        return _PIPE_CLOSED
    except OSError as error:
        session.warn(f"{error.filename or 'the file'}: {error.strerror or error}")
        return SOME_FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _one_line(error: HeliographError) -> str:
    hint = ""
    if isinstance(error, Unauthorised) and error.problem.status == 401:
        hint = " Set HELIOGRAPH_TOKEN, give --token-file, or start the embedded stack."
    return " ".join(f"{error}{hint}".split())


def _token_in(path: Path) -> str:
    token = path.read_text(encoding="utf-8").strip()
    if not token:
        raise NotConfigured(f"token file {path} is empty")
    return token


def _json(value: BaseModel | dict[str, Any], indent: int | None = None) -> str:
    if isinstance(value, BaseModel):
        return value.model_dump_json(indent=indent)
    return _Anything(value).model_dump_json(indent=indent)


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()

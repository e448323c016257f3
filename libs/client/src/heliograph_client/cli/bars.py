"""Progress bars on standard error: one for each file in progress, and one for all.

Nothing is drawn, and rich is not even loaded, where there is no terminal to draw on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from heliograph_client.cli.session import plain
from heliograph_client.models import Stages

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_NAME_WIDTH = 40


class Bar:
    """The bar of one file; without ``progress`` it draws nothing."""

    def __init__(self, progress: Progress | None = None, task: TaskID | None = None) -> None:
        self._progress = progress
        self._task = task

    def sent(self, sent: int, total: int | None) -> None:
        """So many bytes are on their way."""
        self._update(sent, total, "uploading" if sent != total else "storing")

    def stage(self, progress: int, stages: Stages) -> None:
        """The server is so far, in percent."""
        self._update(progress, 100, _under_way(stages))

    def at(self, progress: int, stage: str) -> None:
        """Something is so far, in percent."""
        self._update(progress, 100, stage)

    def _update(self, completed: int, total: int | None, stage: str) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=completed, total=total, stage=stage)


class Bars:
    """All bars; ``files`` is how many there will be in all."""

    def __init__(self, files: int, *, shown: bool) -> None:
        self._open = ExitStack()
        self._files = files
        self._progress = _make() if shown else None
        self._all: TaskID | None = None

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._open.enter_context(self._progress)
            self._all = self._progress.add_task("all files", total=self._files, stage="", visible=self._files > 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def step(self) -> None:
        """One more file is done with."""
        if self._progress is not None and self._all is not None:
            self._progress.advance(self._all)

    @contextmanager
    def bar(self, name: str) -> Iterator[Bar]:
        """The bar of one file, for as long as the block runs."""
        if self._progress is None:
            yield Bar()
            return
        shown = plain(name) if len(name) <= _NAME_WIDTH else "\N{HORIZONTAL ELLIPSIS}" + plain(name)[1 - _NAME_WIDTH :]
        task = self._progress.add_task(shown, total=None, stage="")
        try:
            yield Bar(self._progress, task)
        finally:
            self._progress.remove_task(task)


def _make() -> Progress:
    from rich.console import Console  # noqa: PLC0415 - only where it is drawn
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn  # noqa: PLC0415

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.fields[stage]}", markup=False),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=False,
    )


def _under_way(stages: Stages) -> str:
    """The first stage that is not complete."""
    return next((name for name in ("thumbnails", "variants") if getattr(stages, name) != "complete"), "complete")

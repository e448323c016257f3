"""``heliograph analyze``: which images, how many at a time, the line of each failure, the table, the summary.

``looking.py`` has one of them analyzed, ``answers.py`` puts it in words, ``candidates.py`` says which files are meant.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from heliograph_client.analyses import DEFAULT_PROFILE
from heliograph_client.cli.answers import answer_of, confidence_of, cost_of, count, dollars, tokens_of
from heliograph_client.cli.bars import Bars
from heliograph_client.cli.candidates import candidates
from heliograph_client.cli.looking import Looked, Looker, Subject
from heliograph_client.cli.session import SOME_FAILED, Session, command
from heliograph_client.cli.tables import show_table

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
@command
async def analyze(
    session: Session,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE|ID", help="Image files, folders, glob patterns or image IDs.")
    ],
    profile: Annotated[
        str, typer.Option(metavar="PROFILE", help="Analysis profile, such as describe or food.")
    ] = DEFAULT_PROFILE,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the results and show them.")] = False,
    refresh: Annotated[
        bool,
        typer.Option("--refresh", help="Analyze again where a result is known, after a change of profile or model."),
    ] = False,
    concurrency: Annotated[int, typer.Option(min=1, max=32, help="Number of images at a time.")] = 4,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that --wait waits for each image.")] = 600.0,  # noqa: ASYNC109
) -> int:
    """Have a vision model analyze images."""
    subjects = list(dict.fromkeys(_subjects(files)))
    if not subjects:
        session.warn(f"no files found in {', '.join(files)}")
        return SOME_FAILED
    began = time.monotonic()
    report = _Report(session)
    try:
        if wanted := report.without_refused(subjects):
            with Bars(len(wanted), shown=sys.stderr.isatty() and not (session.as_json and sys.stdout.isatty())) as bars:
                async with session.client() as client:
                    looker = Looker(
                        client, bars, session.warn, profile, wait_seconds=timeout if wait else None, refresh=refresh
                    )
                    await _look_at_all(wanted, looker, report, bars, concurrency)
    finally:
        if not session.as_json:
            report.show(time.monotonic() - began)
    return SOME_FAILED if report.failed else 0


def _subjects(arguments: Iterable[str]) -> Iterator[Subject]:
    """What is to be analyzed, in the order of ``arguments``. What could be both is a file."""
    for argument in arguments:
        image_id = None if Path(argument).exists() else _image_id(argument)
        if image_id is not None:
            yield Subject(argument, image_id=image_id)
        else:
            yield from (Subject(str(each.path), file=each) for each in candidates([argument]))


def _image_id(argument: str) -> UUID | None:
    try:
        return UUID(argument)
    except ValueError:
        return None


class _Report:
    """Reports each image once: failures and JSON as they come, the others in a table at the end."""

    def __init__(self, session: Session) -> None:
        self.failed = 0
        self._session = session
        self._reported: set[Subject] = set()
        self._completed: list[tuple[Subject, Looked]] = []
        self._all: Counter[str] = Counter()
        self._calls = self._tokens = 0
        self._cost = 0.0

    def add(self, subject: Subject, looked: Looked) -> None:
        """An image that is done with."""
        self._reported.add(subject)
        self._all[looked.status.replace("_", " ")] += 1
        # A file that is not an image is a failure only where the user named it, not where it lies in a folder.
        self.failed += looked.failed and (subject.named or looked.status != "skipped")
        if (analysis := looked.analysis) is not None:
            self._calls += analysis.usage.calls
            self._tokens += analysis.usage.input_tokens + analysis.usage.output_tokens
            self._cost += analysis.usage.cost_usd or 0
        if self._session.as_json:
            self._session.json_line(looked.as_json(subject))
        elif looked.status == "completed":
            self._completed.append((subject, looked))
        else:
            self._session.say(looked.line(subject))

    def without_refused(self, subjects: list[Subject]) -> list[Subject]:
        """Those to analyze. The others are reported before any server is looked for."""
        for subject in subjects:
            if subject.refusal:
                self.add(subject, Looked(status="skipped", reason=subject.refusal))
        return [subject for subject in subjects if not subject.refusal]

    def rest(self, subjects: list[Subject], looker: Looker, cause: BaseException) -> None:
        """All that nothing was reported of, because all ends early."""
        for subject in subjects:
            if subject not in self._reported:
                self.add(subject, looker.unfinished(subject, cause))

    def show(self, seconds: float) -> None:
        """The table and the last line."""
        if self._completed:
            show_table(_COLUMNS, [_row(subject, looked) for subject, looked in self._completed])
        counts = ", ".join(f"{number} {what}" for what, number in self._all.most_common())
        used = f"{count(self._calls)} calls, {count(self._tokens)} tokens, {dollars(self._cost)}"
        self._session.say(f"{sum(self._all.values())} images: {counts}; {used} in {seconds:.1f} s")


_COLUMNS = ("file", "answer", "confidence#", "source", "tokens#", "cost#")


def _row(subject: Subject, looked: Looked) -> tuple[object, ...]:
    found = looked.analysis
    assert found is not None  # noqa: S101 - it is complete
    return subject.label, answer_of(found), confidence_of(found), found.source, tokens_of(found), cost_of(found)


async def _look_at_all(subjects: list[Subject], looker: Looker, report: _Report, bars: Bars, concurrency: int) -> None:
    """``concurrency`` at a time. Where all ends early (no server, a bad token, Ctrl-C), what is open is reported."""
    places = asyncio.Semaphore(concurrency)

    async def one(subject: Subject) -> None:
        async with places:
            report.add(subject, await looker.look(subject))
            bars.step()

    try:
        async with asyncio.TaskGroup() as group:
            for subject in subjects:
                group.create_task(one(subject))
    except BaseException as error:  # noqa: BLE001 - it is raised again, whatever it is
        cause: BaseException = error
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        report.rest(subjects, looker, cause)
        raise cause from None

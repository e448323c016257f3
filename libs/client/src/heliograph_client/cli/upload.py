"""``heliograph upload``: which files, how many at a time, the line of each, and the summary.

``candidates.py`` says which files are meant, ``sending.py`` sends one, ``bars.py`` draws.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from heliograph_client.cli.bars import Bars
from heliograph_client.cli.candidates import Candidate, candidates
from heliograph_client.cli.sending import Outcome, Sender
from heliograph_client.cli.session import SOME_FAILED, Session, command
from heliograph_client.cli.tables import size
from heliograph_client.models import Priority

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_IN_FLIGHT = 64


@app.command()
@command
async def upload(
    session: Session,
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Image files, folders or glob patterns.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every image is complete or has failed.")] = False,
    priority: Annotated[Priority, typer.Option(help="Priority of rendering.")] = "normal",
    direct: Annotated[bool, typer.Option("--direct", help="Upload directly to the object store.")] = False,
    analyze: Annotated[
        str | None,
        typer.Option(metavar="PROFILE", help="Analysis profile for the images. --wait does not wait for the analyses."),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=32, help="Number of concurrent uploads.")] = 4,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that --wait waits for each image.")] = 600.0,  # noqa: ASYNC109
) -> int:
    """Upload files, folders and glob patterns."""
    found = list(candidates(files))
    if not found:
        session.warn(f"no files found in {', '.join(files)}")
        return SOME_FAILED
    began = time.monotonic()
    with Bars(len(found), shown=_bars_wanted(session)) as bars:
        report = _Report(session, bars)
        if to_send := report.without_refused(found):
            async with session.client() as client:
                sending = client.upload_direct if direct else client.upload
                seconds = timeout if wait else None
                sender = Sender(client, sending, bars, priority=priority, analyze=analyze, wait_seconds=seconds)
                async with _all_reported(report, to_send, sender):
                    await _send_all(to_send, sender, report, concurrency)
    if not session.as_json:
        session.say(report.summary(time.monotonic() - began))
    return SOME_FAILED if report.failed else 0


class _Report:
    """Reports each file once, and counts."""

    def __init__(self, session: Session, bars: Bars) -> None:
        self.failed = 0
        self._bars = bars
        self.reported: set[Candidate] = set()
        self._session = session
        self._counts: Counter[str] = Counter()
        self._bytes = 0

    def add(self, candidate: Candidate, outcome: Outcome) -> None:
        """One line for a file that is done with."""
        self.reported.add(candidate)
        self._bars.step()
        self._counts["already uploaded" if outcome.already_there else outcome.status.replace("_", " ")] += 1
        self._bytes += outcome.sent
        # A file that is not an image is a failure only where the user named it, not where it lies in a folder.
        self.failed += outcome.failed and (candidate.named or outcome.status != "skipped")
        if self._session.as_json:
            self._session.json_line(outcome.as_json(candidate.path))
        else:
            self._session.say(outcome.line(candidate.path))

    def without_refused(self, found: list[Candidate]) -> list[Candidate]:
        """Those to send. The others are reported before any server is looked for: a wrong name is wrong at every server."""
        for candidate in found:
            if candidate.refusal:
                self.add(candidate, Outcome(status="skipped", reason=candidate.refusal))
        return [candidate for candidate in found if not candidate.refusal]

    def summary(self, seconds: float) -> str:
        """The last line: counts by outcome, bytes and seconds."""
        counts = ", ".join(f"{count} {what}" for what, count in self._counts.most_common())
        return f"{sum(self._counts.values())} files: {counts}; {size(self._bytes)} sent in {seconds:.1f} s"


async def _send_all(to_send: list[Candidate], sender: Sender, report: _Report, concurrency: int) -> None:
    """Uploads ``concurrency`` at a time; those that wait for their renditions hold up no other until there are many."""
    uploading, in_flight = asyncio.Semaphore(concurrency), asyncio.Semaphore(_IN_FLIGHT)

    async def one(candidate: Candidate) -> None:
        try:
            report.add(candidate, await sender.send(candidate, uploading))
        finally:
            in_flight.release()

    async with asyncio.TaskGroup() as group:
        for candidate in to_send:
            await in_flight.acquire()
            group.create_task(one(candidate))


@asynccontextmanager
async def _all_reported(report: _Report, to_send: list[Candidate], sender: Sender) -> AsyncIterator[None]:
    """Where all ends early (no server, a bad token, Ctrl-C), reports every file that is still open, then raises why."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - it is raised again, whatever it is
        cause: BaseException = error
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        for candidate in to_send:
            if candidate not in report.reported:
                report.add(candidate, sender.unfinished(candidate, cause))
        raise cause from None


def _bars_wanted(session: Session) -> bool:
    return sys.stderr.isatty() and not (session.as_json and sys.stdout.isatty())

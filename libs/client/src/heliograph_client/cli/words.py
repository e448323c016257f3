"""``heliograph words``: send lists of words, queue them for images, show them with their images, and the vocabulary."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from heliograph_client.cli import word_lists
from heliograph_client.cli.answers import count
from heliograph_client.cli.bars import Bars
from heliograph_client.cli.session import SOME_FAILED, Session, command
from heliograph_client.cli.tables import moment, show_table
from heliograph_client.cli.word_images import find, show_image
from heliograph_client.cli.word_lists import WordList
from heliograph_client.errors import Rejected
from heliograph_client.word_models import WhichWords, Word, WordBudget, WordFilter, WordQueue, WordsWritten
from heliograph_client.words import MOST_WORDS, bulks_of

app = typer.Typer(
    help="Send words, and show the images that are found for them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)
vocabulary = typer.Typer(
    help="List, add and remove the words of your vocabulary.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)
app.add_typer(vocabulary, name="vocabulary")

WordArgument = Annotated[str, typer.Argument(metavar="WORD", help="ID or text of a word.")]
_SHOWN = 20
Item = TypeVar("Item")


@app.command("import")
@command
async def import_(
    session: Session,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv",
            help="File of words. Its first line names the columns text, language, translation, rank and id, in any order; "
            "only text is required. Separators are commas, semicolons or tabs.",
        ),
    ],
    language: Annotated[
        str | None, typer.Option(metavar="CODE", help="Language of words for which the file has none, such as en.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Send the other words if some lines are invalid.")
    ] = False,
    bulk: Annotated[int, typer.Option(min=1, max=MOST_WORDS, help="Words per request.")] = MOST_WORDS,
) -> int:
    """Create words from a file, and change those whose IDs exist."""
    found = word_lists.read(file, language)
    _tell_faults(session, file, found, skipped=skip_bad)
    if found.wrong and not skip_bad:
        session.warn("nothing was sent; correct these lines, or leave them out with --skip-bad")
        return SOME_FAILED
    if not found.words:
        session.warn(f"no words found in {file}")
        return SOME_FAILED
    written = await _send(session, file, found, bulk)
    if session.as_json:
        session.json_document({**written.model_dump(), "skipped": len(found.wrong)})
    else:
        session.say(_summary(written, len(found.wrong)))
    return 0


@app.command()
@command
async def sync(
    session: Session,
    which: Annotated[WhichWords, typer.Option("--type", help="Words to add to the queue.")] = "all",
    days: Annotated[
        int | None,
        typer.Option(min=1, help="Days for which a word is recent. Without it, as the server is configured."),
    ] = None,
) -> None:
    """Add words without an image to the queue. The server does so regularly, too."""
    async with session.client() as client:
        found = await client.sync_words(which, days=days)
    if session.as_json:
        session.json_document(found)
    else:
        session.say(f"{count(found.added)} words added; {count(found.queue.total)} wait for an image")
        session.say(_budget(found.budget))


@app.command()
@command
async def stats(session: Session) -> None:
    """Show how many words have an image, how many wait, and the requests left in this hour."""
    async with session.client() as client:
        found = await client.word_stats()
    if session.as_json:
        session.json_document(found)
        return
    session.say(
        f"{count(found.words)} words: {count(found.with_picture)} with an image, {count(found.queue.total)} waiting, "
        f"{count(found.missed)} without a result"
    )
    session.say(_budget(found.budget))
    if found.next_population_at:
        session.say(f"words are added to the queue again at {moment(found.next_population_at)}")
    show_table(("queue", "words#"), _lanes(found.queue))


@app.command()
@command
async def ls(
    session: Session,
    language: Annotated[str | None, typer.Option(metavar="CODE", help="Show only words of this language.")] = None,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Show only words that begin with this text.")
    ] = None,
    image: Annotated[WordFilter | None, typer.Option(help="Show only words with or without an image.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of words to list.")] = 50,
    every: Annotated[bool, typer.Option("--all", help="List all words; overrides --limit.")] = False,
) -> None:
    """List words by ID."""
    async with session.client() as client:
        found = client.words(language=language, q=search, picture=image, page_size=500 if every else min(limit, 500))
        async with aclosing(found) as listed:
            await _list(session, _first(listed, None if every else limit))


@app.command()
@command
async def show(
    session: Session,
    word: WordArgument,
    another: Annotated[bool, typer.Option("--another", help="Replace the image by another one.")] = False,
    photo: Annotated[
        str | None, typer.Option(metavar="ID", help="Replace the image by this photo of the provider.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the word has an image.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that --wait waits.")] = 300.0,  # noqa: ASYNC109
) -> int:
    """Show a word and its image, or its place in the queue. Asking moves it to the front of the queue."""
    if another and photo is not None:
        raise typer.BadParameter("give either --another or --photo")
    async with session.client() as client:
        found = await find(client, word)
        if another or photo is not None:
            image = await client.change_word_image(found.id, photo_id=photo)
        else:
            image = await client.word_image(found.id)
        if wait and image.status != "found":
            image = await client.wait_for_word_image(found.id, timeout, photo_id=photo)
    show_image(session, found, image)
    return 0


@vocabulary.command("add")
@command
async def learn(session: Session, word: WordArgument) -> None:
    """Add a word to your vocabulary. If it has no image, it moves up in the queue."""
    async with session.client() as client:
        added = await client.add_to_vocabulary((await find(client, word)).id)
    if session.as_json:
        session.json_document(added)
    else:
        session.say(f"{added.word.text} ({added.word.id}) is in your vocabulary")


@vocabulary.command("remove")
@command
async def unlearn(session: Session, word: WordArgument) -> None:
    """Remove a word from your vocabulary."""
    async with session.client() as client:
        found = await find(client, word)
        await client.remove_from_vocabulary(found.id)
    if not session.as_json:
        session.say(f"{found.text} ({found.id}) was removed from your vocabulary")


@vocabulary.command("ls")
@command
async def learned(session: Session) -> None:
    """List the words of your vocabulary."""
    async with session.client() as client, aclosing(client.vocabulary()) as entries:
        await _list(session, (each.word async for each in entries))


async def _send(session: Session, file: Path, found: WordList, most: int) -> WordsWritten:
    """Sends all words, in as many requests as that takes.

    Raises:
        Rejected: the server refuses some; the lines of the file were named.
    """
    total = WordsWritten(received=0, created=0, updated=0, unchanged=0)
    shown = sys.stderr.isatty() and not (session.as_json and sys.stdout.isatty())
    with Bars(1, shown=shown) as bars, bars.bar(file.name) as bar:
        async with session.client() as client:
            for bulk in bulks_of(found.words, most):
                try:
                    total += await client.put_words(bulk)
                except Rejected as error:
                    _tell_refused(session, file, found.lines[total.received :], error)
                    raise
                told = f"{count(total.received)} of {count(len(found.words))} words"
                bar.at(100 * total.received // len(found.words), told)
    return total


def _tell_faults(session: Session, file: Path, found: WordList, *, skipped: bool) -> None:
    if found.unknown:
        session.warn(f"{file}: columns that are not used: {', '.join(found.unknown)}")
    for line, fault in found.wrong[:_SHOWN]:
        session.warn(f"{file}:{line}: {'skipped: ' if skipped else ''}{fault}")
    if len(found.wrong) > _SHOWN:
        session.warn(f"{file}: and {count(len(found.wrong) - _SHOWN)} more lines")


def _tell_refused(session: Session, file: Path, lines: list[int], error: Rejected) -> None:
    """The faults that the server found, by the lines of the words that it names by JSON pointers."""
    for fault in (error.problem.model_extra or {}).get("errors", [])[:_SHOWN]:
        _, _, place = str(fault.get("pointer", "")).partition("/words/")
        index, _, name = place.partition("/")
        if index.isdigit() and int(index) < len(lines):
            session.warn(f"{file}:{lines[int(index)]}: {name}: {fault.get('detail')}")


def _summary(written: WordsWritten, skipped: int) -> str:
    told = [f"{count(getattr(written, name))} {name}" for name in ("created", "updated", "unchanged")]
    told += [f"{count(written.duplicates)} with the ID of a later one"] if written.duplicates else []
    told += [f"{count(skipped)} skipped"] if skipped else []
    return f"{count(written.received)} words: {', '.join(told)}"


def _budget(found: WordBudget) -> str:
    told = f"{found.used} of {found.limit} requests of this hour are used"
    if found.reason:
        until = f" until {moment(found.paused_until)}" if found.paused_until else ""
        return f"{told}; requests are paused{until}: {found.reason}"
    return told


def _lanes(queue: WordQueue) -> list[tuple[str, str]]:
    names = ("under_way", "requested", "top", "vocabulary", "recent", "rest", "total")
    return [(name.replace("_", " "), count(getattr(queue, name))) for name in names]


async def _list(session: Session, words: AsyncIterator[Word]) -> None:
    if session.as_json:
        async for each in words:
            session.json_line(each)
    else:
        rows = [(each.id, each.text, each.language, each.translation, each.rank, each.picture) async for each in words]
        show_table(("id", "text", "language", "translation", "rank#", "image"), rows)


async def _first(items: AsyncIterator[Item], number: int | None) -> AsyncIterator[Item]:
    given = 0
    async for item in items:
        yield item
        given += 1
        if given == number:
            return

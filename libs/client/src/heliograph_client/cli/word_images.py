"""Words that people name by their text, and what is shown of one and its image."""

from __future__ import annotations

from contextlib import aclosing

from heliograph_client.cli.session import Session
from heliograph_client.cli.tables import moment, show_table
from heliograph_client.client import AsyncClient
from heliograph_client.errors import HeliographError, NotFound, Rejected
from heliograph_client.word_models import StoredCopy, Word, WordImage, WordWaiting

_NAMED = 5


async def find(client: AsyncClient, named: str) -> Word:
    """The word with that id or, where there is none, the one with that text.

    Raises:
        NotFound: there is neither.
        HeliographError: several have that text.
    """
    try:
        return await client.word(named)
    except (NotFound, Rejected) as error:  # some texts cannot be ids
        missing = error
    same: list[Word] = []
    async with aclosing(client.words(q=named)) as listed:
        async for each in listed:
            if each.text.casefold() == named.casefold():
                same.append(each)
            if len(same) > _NAMED:
                break
    if not same:
        raise missing
    if len(same) > 1:
        ids = ", ".join(f"{each.id} ({each.language})" for each in same[:_NAMED])
        raise HeliographError(f"several words are {named!r}; give the ID of one: {ids}{', …' if same[_NAMED:] else ''}")
    return same[0]


def show_image(session: Session, word: Word, image: WordImage | WordWaiting) -> None:
    """Prints a word and its image, or where it is in the queue."""
    if session.as_json:
        session.json_document(
            {"word": word.model_dump(mode="json"), "image": image.model_dump(mode="json", by_alias=True)}
        )
        return
    session.say(_line(word))
    if isinstance(image, WordWaiting):
        session.say(f"waiting: place {image.place:,} in the queue, due about {moment(image.due_at)}")
        session.say(image.reason)
        session.say(f"wait for it with: heliograph words show {word.id} --wait")
        return
    photo = image.photo
    session.say(photo.url)
    session.say(f"{photo.attribution.text}: {photo.attribution.provider_url}")
    session.say(f"photo {photo.photo_id}, {photo.width} x {photo.height}{_about(photo.description)}")
    if image.alternatives:
        session.say(f"other photos: {', '.join(each.photo_id for each in image.alternatives)}")
    _show_copy(session, image.stored)


def _line(word: Word) -> str:
    told = [f"{word.text} ({word.language})", word.translation, None if word.rank is None else f"rank {word.rank:,}"]
    return f"word {word.id}: {', '.join(each for each in told if each)}"


def _about(description: str | None) -> str:
    return f": {' '.join(description.split())}" if description else ""


def _show_copy(session: Session, stored: StoredCopy) -> None:
    if stored.error:
        session.say(f"no copy is stored: {stored.error}")
    elif stored.image_id:
        session.say(f"stored as image {stored.image_id}")
        show_table(
            ("name", "width#", "height#", "url"), [(r.name, r.width, r.height, r.url) for r in stored.renditions]
        )

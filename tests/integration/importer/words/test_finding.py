"""Words get pictures: searched, chosen, told to the provider, stored or linked; and what is tried where none is found."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from tests.integration.importer.words.support import Words
from tests.polling import until

from heliograph_common.contracts.word_messages import Photo
from heliograph_common.db.words.entries import Entry
from heliograph_importer.words.providers.placeholders import Placeholders
from heliograph_local.doubles.faults import Fault


class Archive:
    """A second provider, in memory, of the same budget."""

    name, budget = "archive", "unsplash"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def waits_for(self) -> str | None:
        return None

    def rest(self) -> float | None:
        return None

    async def search(self, query: str, *, language: str | None) -> Sequence[Photo]:
        self.asked.append(query)
        url = "https://archive.example/1"
        return [
            Photo(
                provider=self.name,
                id="1",
                page_url=url,
                image_url=url,
                thumb_url=url,
                full_url=url,
                width=2000,
                height=1500,
                photographer="A. Person",
                photographer_url=url,
            )
        ]

    async def photo(self, photo_id: str) -> Photo:
        raise NotImplementedError

    async def download(self, photo: Photo) -> str:
        raise NotImplementedError

    def file_url(self, photo: Photo) -> str:
        return photo.full_url

    async def close(self) -> None:
        """Has nothing to end."""


async def test_a_word_gets_a_picture_and_the_provider_is_told(words: Words) -> None:
    await words.add(Entry("4711", "kettle", "en"))
    async with words.importer():
        await words.idle()
    row = await words.picture("4711")
    assert (row.provider, row.query, row.storing, row.image_id) == ("unsplash", "kettle", "no", None)
    assert row.downloaded_at is not None
    assert "utm_source=heliograph" in row.photo["page_url"]
    assert "utm_medium=referral" in row.photo["photographer_url"]
    assert 1 <= len(row.candidates) <= 10
    assert words.asked("search") == ["kettle"]
    assert words.asked("download") == [row.photo_id]
    assert [request.task for request in await words.requests()] == ["search", "download"]


async def test_a_copy_is_stored_and_rendered_like_an_upload(words: Words) -> None:
    await words.add(Entry("a", "kettle", "en"))
    async with words.importer(pictures="stored"):
        await until(lambda: _stored(words, "a"))
        row = await words.picture("a")
        [(owner, source, ref, priority)] = await words.rows("""
            SELECT images.owner, source, source_ref, work.subject FROM images JOIN work ON work.target = images.id
        """)
    assert row.storing == "done"
    assert (owner, source, ref, priority) == ("words", "unsplash", row.photo_id, "work.render.low")
    assert await words.queued("a") is None
    assert len(await words.requests()) == 2, "files are not counted"


async def _stored(words: Words, word_id: str) -> bool:
    row = await words.picture(word_id)
    return row is not None and row.image_id is not None and await words.queued(word_id) is None


async def test_the_translation_is_searched_next_then_the_second_provider(words: Words) -> None:
    archive = Archive()
    await words.add(
        Entry("a", "nothing a", "es", "kettle"),
        Entry("b", "nothing b", "es", "nothing either"),
        Entry("c", "nothing c", "es"),
    )
    async with words.importer(words.unsplash(), archive):
        await words.idle()
    assert (await words.picture("a")).query == "kettle"
    assert [(await words.picture(each)).provider for each in "bc"] == ["archive", "archive"]
    assert sorted(archive.asked) == ["nothing b", "nothing c"]
    assert len(await words.requests()) == len(words.asked()) + len(archive.asked) == 6 + 2


async def test_the_last_resort_is_a_placeholder_which_costs_nothing(words: Words) -> None:
    await words.add(Entry("a", "nothing <b>", "en"))
    async with words.importer(words.unsplash(), Placeholders(), pictures="stored"):
        await words.idle()
    row = await words.picture("a")
    assert (row.provider, row.storing) == ("placeholder", "no")
    assert row.photo["image_url"].startswith("data:image/svg+xml")
    assert len(await words.requests()) == 1


async def test_a_miss_is_remembered(words: Words) -> None:
    await words.add(Entry("a", "nothing", "es", "nothing at all"))
    async with words.importer(miss_days=3):
        await words.idle()
        word = await words.word("a")
        await words.add()  # nothing more
        assert await words.queued("a") is None
    assert (word.miss_code, (word.search_again_at - word.missed_at).days) == ("no_results", 3)
    assert "name a photo" in word.miss_reason
    assert words.asked() == ["nothing", "nothing at all"]


async def test_rejected_photos_are_not_taken_again(words: Words) -> None:
    await words.add(Entry("a", "kettle", "en"))
    async with words.importer():
        await words.idle()
        first = (await words.picture("a")).photo_id
        await words.change("UPDATE words SET rejected = to_jsonb(ARRAY[:photo])", photo=f"unsplash:{first}")
        await words.change("DELETE FROM word_images")
        await words.add()
        await words.idle()
    assert (await words.picture("a")).photo_id != first


async def test_a_named_photo_is_looked_up(words: Words) -> None:
    await words.add(Entry("a", "kettle", "en"), Entry("b", "teapot", "en"))
    async with words.importer():
        await words.idle()
        photo_id = (await words.picture("b")).photo_id
        await words.ask("a", photo_id=photo_id)
        await words.idle()
        row = await words.picture("a")
        assert (row.photo_id, row.named) == (photo_id, True)
        await words.ask("a", photo_id="unknown")
        await words.idle()
    assert (await words.picture("a")).photo_id == photo_id, "the picture stays"
    assert words.asked("photo") == [photo_id, "unknown"]


async def test_a_word_is_searched_whose_named_photo_there_is_not(words: Words) -> None:
    await words.add(Entry("a", "kettle", "en"))
    await words.ask("a", photo_id="unknown")
    async with words.importer():
        await words.idle()
    assert words.asked() == ["unknown", "kettle", (await words.picture("a")).photo_id]


async def test_a_wrong_name_does_not_stand_between_a_picture_and_its_download(words: Words) -> None:
    await words.add(Entry("a", "kettle", "en"))
    words.double.behaviour.misbehave(Fault(kind="slow", call="download", seconds=0.5))
    async with words.importer():
        await until(lambda: words.asked("download"))
        await words.ask("a", photo_id="unknown")
        await words.idle()
    row = await words.picture("a")
    assert row.downloaded_at is not None
    assert words.asked() == ["kettle", row.photo_id, "unknown", row.photo_id]


async def test_a_word_that_has_a_picture_by_now_is_not_searched(words: Words) -> None:
    await words.add(Entry("a", "kettle", "en"))
    async with words.importer():
        await words.idle()
        await words.ask("a")
        await words.idle()
    assert words.asked("search") == ["kettle"]


async def test_a_photo_that_was_taken_away_is_replaced(words: Words) -> None:
    await words.add(Entry("a", "kettle", "en"))
    words.double.behaviour.misbehave(Fault(kind="vanished", call="download"))
    async with words.importer():
        await words.idle()
    gone, kept = words.asked("download")
    assert gone != kept == (await words.picture("a")).photo_id
    assert (await words.word("a")).rejected == [f"unsplash:{gone}"]


async def test_a_word_deleted_while_it_is_searched_leaves_nothing(words: Words) -> None:
    await words.add(Entry("a", "kettle", "en"))
    words.double.behaviour.misbehave(Fault(kind="slow", call="search", seconds=0.5))
    async with words.importer():
        await until(lambda: words.asked("search"))
        await words.change("DELETE FROM words")
        await words.idle()
    assert await words.picture("a") is None
    assert words.asked("download") == []


async def test_a_word_changed_while_it_is_searched_gets_no_picture_of_the_old_text(words: Words) -> None:
    await words.add(Entry("a", "kettle", "en"))
    words.double.behaviour.misbehave(Fault(kind="slow", call="search", seconds=0.5))
    async with words.importer():
        await until(lambda: words.asked("search"))
        await words.add(Entry("a", "teapot", "en"))
        await words.idle()
    assert words.asked("search") == ["kettle", "teapot"]
    assert (await words.picture("a")).query == "teapot"
    assert len(words.asked("download")) == 1


async def test_a_photo_named_while_the_word_is_searched_wins(words: Words) -> None:
    await words.add(Entry("b", "teapot", "en"))
    async with words.importer():
        await words.idle()
        photo_id = (await words.picture("b")).photo_id
        words.double.behaviour.misbehave(Fault(kind="slow", call="search", seconds=0.5))
        await words.add(Entry("a", "kettle", "en"))
        await until(lambda: "kettle" in words.asked("search"))
        await words.ask("a", photo_id=photo_id)
        await words.idle()
    assert (await words.picture("a")).photo_id == photo_id


async def test_strange_words_are_searched_as_they_are(words: Words) -> None:
    strange = ["שלום עולם", "👩‍🚀 🚀", "x" * 200, "a/b?c=d&e#f%2F", 'say "hi"', "Ω≈ç√"]
    await words.add(*(Entry(f"w{number}", each, "he") for number, each in enumerate(strange)))
    async with words.importer():
        await words.idle()
    assert sorted(words.asked("search")) == sorted(strange)
    assert {(await words.picture(f"w{number}")).provider for number in range(len(strange))} == {"unsplash"}


@pytest.mark.parametrize(
    ("fault", "pictures"),
    [
        (Fault(kind="vanished", call="download"), "linked"),
        (Fault(kind="error", call="download", status=422), "linked"),
        (Fault(kind="vanished", call="file"), "stored"),
    ],
    ids=["gone", "refused", "no_file"],
)
async def test_what_becomes_of_the_old_photo_does_not_matter_once_another_is_chosen(
    words: Words, fault: Fault, pictures: str
) -> None:
    await words.add(Entry("a", "kettle", "en"))
    slow = Fault(kind="slow", call=fault.call, seconds=0.7)
    words.double.behaviour.misbehave(slow, fault)
    async with words.importer(pictures=pictures):
        asked = words.double.behaviour.asked
        await until(lambda: any(each.call == fault.call for each in asked))
        old = await words.picture("a")
        other = old.candidates[0]
        stored = "'pending'" if pictures == "stored" else "'no'"
        await words.change(  # as the gateway does it
            f"UPDATE word_images SET photo = :photo, photo_id = :id, downloaded_at = NULL, storing = {stored}",  # noqa: S608
            photo=json.dumps(other),
            id=other["id"],
        )
        await words.idle()
    row = await words.picture("a")
    assert (row.photo_id, row.error) == (other["id"], None)
    assert row.downloaded_at is not None
    assert row.storing == ("done" if pictures == "stored" else "no")
    assert words.asked("download") == [old.photo_id, other["id"]]
    assert (await words.word("a")).rejected == []

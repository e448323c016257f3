"""Words by the client: what it asks, and what it makes of the answers."""

from __future__ import annotations

import pytest
from tests.unit.client.fake import FakeServer, busy

from heliograph_client import AsyncClient, Client, Connection, RetryPolicy, WordEntry
from heliograph_client.errors import NotFound, Rejected, WaitTimeout, WordImageMissing
from heliograph_client.word_models import WordImage, WordWaiting
from heliograph_client.words import MOST_WORDS, bulks_of

GULL = WordEntry(text="gull", language="en", translation="Möwe", rank=812, id="4711")


async def test_words_are_sent_as_they_are(fake: FakeServer, client: AsyncClient) -> None:
    fake.faults["PUT /v1/words"].append(busy(429))
    written = await client.put_words([GULL, WordEntry(text="sea", language="en")])
    assert (written.received, written.created, written.unchanged) == (2, 2, 0)
    assert fake.words.bulks == [[
        {"text": "gull", "language": "en", "translation": "Möwe", "rank": 812, "id": "4711"},
        {"text": "sea", "language": "en"},
    ]]  # fmt: skip
    again = await client.put_words([GULL])
    both = written + again
    assert (both.received, both.created, both.unchanged) == (3, 2, 1)
    with pytest.raises(Rejected, match="polite"):
        await client.put_words([WordEntry(text="refused", language="en")])


def test_more_words_than_a_request_takes_are_divided() -> None:
    assert [len(bulk) for bulk in bulks_of([GULL] * (2 * MOST_WORDS + 1))] == [MOST_WORDS, MOST_WORDS, 1]
    assert [len(bulk) for bulk in bulks_of([GULL] * 5, 2)] == [2, 2, 1]
    large = [WordEntry(text="\N{GRINNING FACE}" * 200, language="en", translation="ä" * 200)] * MOST_WORDS
    bulks = list(bulks_of(large))
    assert sum(map(len, bulks)) == MOST_WORDS
    assert len(bulks) > 2
    assert list(bulks_of([])) == []


async def test_words_are_listed_page_by_page(fake: FakeServer, client: AsyncClient) -> None:
    for number in range(5):
        fake.words.add(str(number), f"{'sea' if number % 2 else 'Gull'} {number}", language="de" if number else "en")
    assert [each.id async for each in client.words()] == list("01234")
    assert [each.id async for each in client.words(q="gull", language="de", picture="without")] == ["2", "4"]
    assert (await client.word("2")).text == "Gull 2"
    await client.delete_word("2")
    with pytest.raises(NotFound):
        await client.word("2")


async def test_the_queue(fake: FakeServer, client: AsyncClient) -> None:
    queued = await client.sync_words("recent", days=3)
    await client.sync_words()
    assert fake.words.requests == [{"type": "recent", "days": 3}, {"type": "all"}]
    assert (queued.added, queued.queue.total, queued.budget.limit) == (1500, 1643, 25)
    stats = await client.word_stats()
    assert (stats.words, stats.with_picture, stats.queue.rest, stats.budget.used) == (28_343, 1_187, 27_143, 17)


async def test_an_image_is_there_or_waits_or_is_missing(fake: FakeServer, client: AsyncClient) -> None:
    fake.words.add("1", "gull", "a", "b")
    found = await client.word_image("1")
    assert isinstance(found, WordImage)
    assert (found.photo.photo_id, [each.photo_id for each in found.alternatives], found.stored.state) == (
        "a",
        ["b"],
        "none",
    )
    assert found.photo.attribution.text == "Photo by Jeff on Unsplash"
    fake.words.add("2", "sea")
    waits = await client.word_image("2")
    assert isinstance(waits, WordWaiting)
    assert (waits.place, waits.waiting_for) == (3, "queue")
    fake.words.missed.add("2")
    with pytest.raises(WordImageMissing, match="no results") as missing:
        await client.word_image("2")
    assert missing.value.search_again_at == "2026-01-02T03:04:05Z"
    with pytest.raises(NotFound) as unknown:
        await client.word_image("3")
    assert not isinstance(unknown.value, WordImageMissing)


async def test_an_image_is_exchanged_named_and_removed(fake: FakeServer, client: AsyncClient) -> None:
    fake.words.add("1", "gull", "a", "b", "photo-c")
    another = await client.change_word_image("1")
    named = await client.change_word_image("1", photo_id="photo-c")
    assert isinstance(another, WordImage)
    assert isinstance(named, WordImage)
    assert (another.photo.photo_id, named.photo.photo_id) == ("b", "photo-c")
    assert fake.words.requests == [{}, {"photo_id": "photo-c"}]
    assert isinstance(await client.change_word_image("1", photo_id="new-photo"), WordWaiting)
    assert (await client.wait_for_word_image("1", 20, photo_id="new-photo")).photo.photo_id == "new-photo"
    await client.remove_word_image("1")
    assert isinstance(await client.word_image("1"), WordWaiting)


async def test_waiting_for_an_image(fake: FakeServer, client: AsyncClient) -> None:
    fake.words.add("1", "gull")
    fake.words.waits = 1
    seen: list[WordWaiting] = []
    found = await client.wait_for_word_image("1", 20, on_waiting=seen.append)
    assert (found.photo.photo_id, [each.place for each in seen]) == ("found-late", [3, 3])
    fake.words.waits = 1_000
    fake.words.add("2", "sea")
    with pytest.raises(WaitTimeout, match=r"no image after 0\.3 s"):
        await client.wait_for_word_image("2", 0.3)
    with pytest.raises(WaitTimeout, match="no photo other"):
        await client.wait_for_word_image("1", 0.3, photo_id="other")


async def test_the_vocabulary(fake: FakeServer, client: AsyncClient) -> None:
    for number in range(3):
        fake.words.add(str(number), "gull")
        assert (await client.add_to_vocabulary(str(number))).word.id == str(number)
    assert [each.word.id async for each in client.vocabulary()] == ["0", "1", "2"]
    await client.remove_from_vocabulary("1")
    assert fake.words.learned == ["0", "2"]
    with pytest.raises(NotFound, match="not in your vocabulary"):
        await client.remove_from_vocabulary("1")


def test_without_an_event_loop(fake: FakeServer, connection: Connection, policy: RetryPolicy) -> None:
    with Client(connection, policy=policy) as client:
        client.put_words([GULL])
        assert [each.id for each in client.words()] == ["4711"]
        assert client.word("4711").text == "gull"
        assert client.wait_for_word_image("4711", 20).word_id == "4711"
        assert (
            client.word_image("4711").status
            == client.change_word_image("4711", photo_id="found-late").status
            == "found"
        )
        assert client.sync_words().added == 1500
        assert client.word_stats().missed == 13
        client.add_to_vocabulary("4711")
        assert [each.word.id for each in client.vocabulary()] == ["4711"]
        client.remove_from_vocabulary("4711")
        client.remove_word_image("4711")
        client.delete_word("4711")

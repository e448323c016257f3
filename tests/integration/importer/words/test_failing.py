"""Keys that are refused, limits, outages, answers that are none, deaths: words wait, lose nothing and pay for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.importer.words.support import Replica, Words
from tests.polling import until

from heliograph_common.auth.late_key import LateKey
from heliograph_common.db.words.entries import Entry
from heliograph_importer.words.failures import MOST_FAILURES, MOST_TRIALS
from heliograph_local.doubles.faults import Fault

ENDLESS = -1


async def test_without_a_key_words_wait_and_go_on_when_it_comes(words: Words, tmp_path: Path) -> None:
    file = tmp_path / "unsplash_access_key"
    await words.add(Entry("a", "kettle", "en"))
    async with words.importer(words.unsplash(LateKey(file=lambda: file))):
        state = await until(words.state)
        assert (state.budget, state.reason) == ("unsplash", "missing access key")
        file.write_text(f"{words.key}\n")
        await words.idle()
    assert (await words.picture("a")).provider == "unsplash"
    assert len(await words.requests()) == len(words.asked()) == 2


async def test_a_refused_key_burns_nothing_and_its_replacement_is_used(words: Words, tmp_path: Path) -> None:
    file = tmp_path / "unsplash_access_key"
    file.write_text("revoked")
    await words.add(*(Entry(f"w{number}", f"kettle {number}", "en") for number in range(20)))
    async with words.importer(words.unsplash(LateKey(file=lambda: file))):

        async def refused() -> bool:
            state = await words.state()
            return state is not None and state.reason == "the access key was refused"

        await until(refused)
        assert 1 <= len(words.asked()) <= 8, "one a slot, before the first answer"
        file.write_text(words.key)

        async def done() -> bool:
            await words.hurry()
            return len(await words.rows("SELECT FROM word_images WHERE downloaded_at IS NOT NULL")) == 20

        await until(done)
        await words.idle()
    assert [(await words.picture(f"w{number}")).provider for number in range(20)] == ["unsplash"] * 20
    assert len(await words.requests()) == len(words.asked())


@pytest.mark.parametrize(
    ("fault", "reason", "least"),
    [
        (Fault(kind="rate_limited", retry_after=1800), "no more requests", 1799),
        (Fault(kind="quota"), "no more requests", 899),
        (Fault(kind="html"), "not the JSON", 1),
        (Fault(kind="html", status=403), "answered 403", 1),
        (Fault(kind="cut_off"), "No complete answer", 1),
        (Fault(kind="error", status=503, retry_after=60), "answered 503", 59),
        (Fault(kind="wrong_type"), "another way", 1),
    ],
    ids=["429", "403", "html", "firewall", "cut_off", "503", "wrong_type"],
)
async def test_a_provider_that_refuses_is_left_alone_for_a_while(
    words: Words, fault: Fault, reason: str, least: float
) -> None:
    words.double.behaviour.misbehave(fault)
    await words.add(Entry("a", "kettle", "en"))
    async with words.importer():
        state = await until(words.state)
        assert reason in state.reason
        assert (state.paused_until - state.changed_at).total_seconds() > least
        row = await until(lambda: words.queued("a"))
        assert row.failures <= 1
        await words.hurry()
        await words.idle()
    assert words.asked("search") == ["kettle", "kettle"]
    assert (await words.state()).failures == 0


async def test_an_outage_burns_no_attempts(words: Words) -> None:
    count = 2
    words.double.behaviour.misbehave(Fault(kind="error", times=ENDLESS))
    await words.add(*(Entry(f"w{number}", f"kettle {number}", "en") for number in range(count)))
    async with words.importer():
        for failures in range(1, 2 * MOST_FAILURES):

            async def failed(wanted: int = failures) -> bool:
                state = await words.state()
                return state is not None and state.failures >= wanted

            await until(failed)
            await words.hurry()
        burnt = await words.rows("SELECT max(failures) FROM word_queue")
        assert burnt[0][0] <= 1, "only the first, before anybody knew"
        assert await words.rows("SELECT FROM words WHERE missed_at IS NOT NULL") == []
        words.double.behaviour.misbehave()

        async def done() -> bool:
            await words.hurry()
            return len(await words.rows("SELECT FROM word_images")) == count

        await until(done)
        await words.idle()
    assert len(await words.requests()) == len(words.asked())


async def test_one_bad_word_does_not_stand_before_the_others(words: Words) -> None:
    words.double.behaviour.misbehave(Fault(kind="error", about="bad", times=ENDLESS))
    await words.add(Entry("bad", "bad", "en"))
    good = 0
    async with words.importer():
        while (await words.word("bad")).missed_at is None:
            good += 1
            await words.add(Entry(f"w{good}", f"kettle {good}", "en"))

            async def done(word_id: str = f"w{good}") -> bool:
                await words.hurry()
                return await words.picture(word_id) is not None

            await until(done)
        await words.hurry()
        await words.idle()
    word = await words.word("bad")
    assert word.miss_code == "provider_failed"
    assert words.asked().count("bad") >= MOST_FAILURES
    assert len(await words.rows("SELECT FROM word_images")) == good


async def test_a_word_that_fails_alone_is_given_up_after_a_day(words: Words) -> None:
    words.double.behaviour.misbehave(Fault(kind="error", times=ENDLESS))
    await words.add(Entry("bad", "bad", "en"))

    async def failed(often: int) -> None:
        async def enough() -> bool:
            await words.hurry()
            row = await words.queued("bad")
            return len(words.asked()) >= often and (row is None or row.status == "queued")

        await until(enough)

    async with words.importer():
        await failed(3)
        assert (await words.word("bad")).missed_at is None, "the provider may be at fault"
        await words.change("UPDATE word_queue SET queued_at = now() - interval '26 hours'")
        trials = "SELECT gen_random_uuid(), budget, at - n * interval '2 hours', word_key, task FROM provider_requests"
        await words.change(
            "INSERT INTO provider_requests (id, budget, at, word_key, task) "
            f"({trials}, generate_series(1, 12) AS n ORDER BY at LIMIT {MOST_TRIALS + 2})"
        )
        await failed(4)
        await words.idle()
    assert (await words.word("bad")).miss_code == "provider_failed"
    assert len(words.asked()) <= 5


async def test_a_request_that_is_forbidden_is_its_words_failure(words: Words) -> None:
    words.double.behaviour.misbehave(Fault(kind="error", status=403, about="forbidden", times=ENDLESS))
    await words.add(Entry("a", "forbidden", "en", rank=1), Entry("b", "kettle", "en", rank=2))
    async with words.importer():
        await until(lambda: words.picture("b"))
        row = await words.queued("a")
        assert words.asked("search").count("forbidden") == 1, "others are tried first"
    assert row.failures == 1


async def test_a_limit_is_remembered_even_if_its_word_is_deleted(words: Words) -> None:
    words.double.behaviour.misbehave(
        Fault(kind="slow", seconds=0.5), Fault(kind="rate_limited", retry_after=1800), Fault(kind="error")
    )
    await words.add(Entry("a", "kettle", "en"))
    async with words.importer():
        await until(lambda: words.asked("search"))
        await words.change("DELETE FROM words")
        state = await until(words.state)
    assert (state.paused_until - state.changed_at).total_seconds() > 1799


async def test_when_no_request_is_left_none_is_made_until_the_hour_can_be_over(words: Words) -> None:
    words.double.behaviour.misbehave(Fault(kind="wrong_remaining"))
    await words.add(Entry("a", "kettle", "en"))
    async with words.importer():
        state = await until(words.state)
        assert "no requests left" in state.reason
        assert (state.paused_until - state.changed_at).total_seconds() > 899
        assert await words.picture("a") is not None, "the answer was good"
        await words.hurry()
        await words.idle()
    assert len(words.asked()) == 2
    assert (await words.state()).failures == 0


async def test_an_importer_without_a_key_leaves_the_words_to_one_that_has_it(words: Words) -> None:
    await words.add(*(Entry(f"w{number}", f"kettle {number}", "en") for number in range(4)))
    keyless = await Replica(words, words.unsplash(LateKey())).start()
    working = await Replica(words, words.unsplash()).start()
    try:
        await keyless.dispatcher.run_once()
        assert (await words.state()).reason == "missing access key"
        await working.dispatcher.run_once()
        assert not (await words.rows("SELECT FROM provider_states WHERE paused_until > now()"))
        for _ in range(3):
            await keyless.dispatcher.run_once()
            assert not (await words.rows("SELECT FROM provider_states WHERE paused_until > now()"))
        await until(lambda: words.rows("SELECT FROM word_images"))
    finally:
        await keyless.stop()
        await working.stop()


async def test_a_kill_between_download_and_copy_repeats_no_request(words: Words) -> None:
    words.double.behaviour.misbehave(Fault(kind="slow", call="file", seconds=1.0))
    await words.add(Entry("a", "kettle", "en"))
    doomed = await Replica(words, words.unsplash(), store=True).start()

    async def fetching() -> bool:
        await doomed.dispatcher.run_once()
        return any(each.call == "file" for each in words.double.behaviour.asked)

    await until(fetching)
    await doomed.kill()
    assert (await words.picture("a")).storing == "pending"
    async with words.importer(pictures="stored"):
        await words.idle(60)
    row = await words.picture("a")
    assert (row.storing, row.image_id is None) == ("done", False)
    assert words.asked() == ["kettle", row.photo_id]
    assert len(await words.requests()) == 2


async def test_a_kill_between_charge_and_answer_loses_neither_word_nor_count(words: Words) -> None:
    words.double.behaviour.misbehave(Fault(kind="slow", call="search", seconds=1.0))
    await words.add(Entry("a", "kettle", "en"))
    doomed = await Replica(words, words.unsplash()).start()
    await doomed.dispatcher.run_once()
    await until(lambda: words.asked("search"))
    await doomed.kill()
    async with words.importer():
        await words.idle(60)
    assert words.asked("search") == ["kettle", "kettle"]
    assert len(await words.requests()) == len(words.asked()) == 3
    assert (await words.picture("a")).downloaded_at is not None


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault(kind="vanished", call="file"), "answered 404"), (Fault(kind="html", call="file"), "not an image")],
    ids=["404", "html"],
)
async def test_a_picture_whose_file_cannot_be_had_is_only_linked(words: Words, fault: Fault, error: str) -> None:
    words.double.behaviour.misbehave(fault)
    await words.add(Entry("a", "kettle", "en"))
    async with words.importer(pictures="stored"):
        await words.idle()
    row = await words.picture("a")
    assert (row.storing, row.image_id) == ("failed", None)
    assert error.rsplit(maxsplit=1)[-1] in row.error
    assert row.downloaded_at is not None


async def test_a_file_that_fails_is_fetched_again_without_a_request(words: Words) -> None:
    words.double.behaviour.misbehave(Fault(kind="error", call="file", status=503))
    await words.add(Entry("a", "kettle", "en"))
    async with words.importer(pictures="stored"):

        async def stored() -> bool:
            await words.hurry()
            row = await words.picture("a")
            return row is not None and row.storing == "done"

        await until(stored)
        await words.idle()
    assert words.asked() == ["kettle", (await words.picture("a")).photo_id]


async def test_words_that_clients_wait_for_may_use_up_the_hour_and_no_more(words: Words) -> None:
    await words.add(*(Entry(f"w{number}", f"kettle {number}", "en") for number in range(12)))
    for number in range(6, 12):
        await words.ask(f"w{number}")
    async with words.importer(requests_per_hour=5):
        await until(lambda: len(words.asked()) == 5)
        rows = await until(
            lambda: words.rows("SELECT FROM word_queue HAVING count(*) FILTER (WHERE status = 'active') = 0")
        )
        assert len(rows) == 1
    requests = await words.requests()
    assert len(requests) == len(words.asked()) == 5
    asked = {(await words.word(f"w{number}")).key for number in range(6, 12)}
    assert {request.word_key for request in requests} <= asked


async def test_a_word_whose_work_was_lost_is_queued_again(words: Words) -> None:
    await words.add(Entry("a", "kettle", "en"), Entry("b", "lamp", "en"))
    await words.change("UPDATE word_queue SET status = 'sent' WHERE ticket = (SELECT min(ticket) FROM word_queue)")
    replica = await Replica(words, words.unsplash()).start()
    try:
        assert await replica.dispatcher.take_back() == 1
        assert await replica.dispatcher.take_back() == 0
    finally:
        await replica.stop()
    assert await words.rows("SELECT FROM word_queue WHERE status <> 'queued'") == []

"""What a provider's errors mean."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from heliograph_analyzer.models.errors import LONGEST_AFTER_FAILURE, LONGEST_DELAY, reported, retry_after, translated
from heliograph_analyzer.models.port import CredentialsRefused, ModelFailed, QuestionRejected, RateLimited
from heliograph_common.errors import HeliographError

KEY = "sk-very-secret"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


async def meaning(status: int, body: object = None, headers: dict[str, str] | None = None) -> HeliographError:
    """Of an answer, by way of the SDK's own reading of it."""
    told = {"json": body} if not isinstance(body, str) else {"text": body}
    answer = httpx2.MockTransport(lambda _: httpx2.Response(status, headers=headers, **told))
    async with httpx2.AsyncClient(transport=answer) as http:
        client = AsyncOpenAI(api_key=KEY, base_url="http://model/v1", http_client=http, max_retries=0)
        with pytest.raises(openai.APIStatusError) as caught:
            await client.models.with_raw_response.retrieve("m")
    return translated(caught.value, KEY)


def vendors(message: str = "", **told: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **told}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, vendors(), QuestionRejected),
        (400, "no JSON", QuestionRejected),
        (400, vendors(code="invalid_api_key"), CredentialsRefused),
        (401, vendors(), CredentialsRefused),
        (403, "<html>", ModelFailed),
        (409, vendors(), ModelFailed),
        (413, "<html>", QuestionRejected),
        (422, {"detail": [{"loc": ["body"]}]}, QuestionRejected),
        (425, None, ModelFailed),
        (301, None, ModelFailed),
    ],
)
async def test_statuses(status: int, body: object, kind: type[HeliographError]) -> None:
    assert type(await meaning(status, body)) is kind


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, vendors(code="model_not_found")),
        (403, vendors(code="model_not_found")),
        (400, vendors(code="model_not_found")),
        (404, {"detail": "Not Found"}),
        (404, "404 page not found"),
    ],
)
async def test_a_missing_model_or_api_says_so(status: int, body: object) -> None:
    error = await meaning(status, body)
    assert isinstance(error, QuestionRejected)
    assert error.misconfigured
    assert "HELIOGRAPH_OPENAI__MODEL" in str(error)


@pytest.mark.parametrize(
    ("status", "told", "spent"),
    [
        (429, {"code": "rate_limit_exceeded"}, False),
        (429, {}, False),
        (429, {"code": "insufficient_quota"}, True),
        (429, {"type": "insufficient_quota"}, True),
        (429, {"code": "billing_hard_limit_reached"}, True),
        (402, {}, True),
    ],
)
async def test_limits_and_accounts_without_credit(status: int, told: dict[str, str], spent: bool) -> None:
    error = await meaning(status, vendors(**told), {"retry-after": "3"})
    assert isinstance(error, RateLimited)
    assert (error.spent, error.delay) == (spent, 3.0)


@pytest.mark.parametrize(
    ("status", "paid"), [(500, False), (503, False), (529, False), (502, True), (504, True), (524, True), (408, True)]
)
async def test_what_stands_in_between_may_hide_an_answer(status: int, paid: bool) -> None:
    error = await meaning(status, "<html>", {"retry-after": "86400"})
    assert isinstance(error, ModelFailed)
    assert (error.paid, error.delay) == (paid, LONGEST_AFTER_FAILURE)


async def test_no_error_quotes_the_key() -> None:
    for status, padding in itertools.product((400, 401, 403, 404, 429, 500), ("", "x" * 189)):
        error = await meaning(status, vendors(f"{padding}{KEY} was not accepted"))
        assert KEY[:9] not in f"{error!r}{error}"
        assert error.__cause__ is None


async def test_what_is_quoted_is_short_and_on_one_line() -> None:
    error = await meaning(400, vendors("a\nb\x00" + "x" * 10_000))
    assert "(a b " in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, LONGEST_DELAY),
        ({"retry-after": "9" * 400}, LONGEST_DELAY),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Sat, 21 Nov 99999999 12:00:30 GMT"}, None),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "?", "retry-after": "2"}, 2.0),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("cause", "paid"),
    [
        (httpx2.ConnectError(""), False),
        (httpx2.WriteError(""), False),
        (httpx2.ReadError(""), True),
        (httpx2.RemoteProtocolError(""), True),
        (None, True),
    ],
)
def test_a_question_that_was_never_whole_is_not_paid(cause: Exception | None, paid: bool) -> None:
    error = openai.APIConnectionError(request=httpx2.Request("POST", "http://model"))
    error.__cause__ = cause
    found = translated(error, KEY)
    assert isinstance(found, ModelFailed)
    assert found.paid is paid


@pytest.mark.parametrize(("cause", "paid"), [(httpx2.ConnectTimeout(""), False), (httpx2.ReadTimeout(""), True)])
def test_times_that_run_out(cause: Exception, paid: bool) -> None:
    error = openai.APITimeoutError(request=httpx2.Request("POST", "http://model"))
    error.__cause__ = cause
    (sdk, own) = (translated(error, KEY), translated(TimeoutError(), KEY))
    assert isinstance(sdk, ModelFailed)
    assert isinstance(own, ModelFailed)
    assert (sdk.paid, own.paid) == (paid, True)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", ModelFailed),
        (None, ModelFailed),
        ("rate_limit_exceeded", RateLimited),
        ("insufficient_quota", RateLimited),
        ("invalid_image", QuestionRejected),
        ("image_content_policy_violation", QuestionRejected),
    ],
)
def test_errors_within_an_answer(code: str | None, kind: type[HeliographError]) -> None:
    error = reported(code, f"about {KEY}", KEY)
    assert type(error) is kind
    assert KEY not in str(error)

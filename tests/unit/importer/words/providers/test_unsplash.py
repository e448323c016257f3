"""The adapter of Unsplash against its double: what is asked, what is made of answers, and where the key goes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from heliograph_common.auth.late_key import LateKey
from heliograph_common.telemetry import metrics
from heliograph_importer.settings import UnsplashSettings
from heliograph_importer.words.providers.port import (
    KeyMissing,
    KeyRefused,
    Missing,
    ProviderFailed,
    RateLimited,
    Rejected,
)
from heliograph_importer.words.providers.unsplash import LARGEST_ANSWER, Unsplash
from heliograph_local.doubles.faults import Fault
from heliograph_local.doubles.serving import served
from heliograph_local.doubles.unsplash import KEY, UnsplashDouble


def _provider(base_url: str, key: LateKey | None = None) -> Unsplash:
    return Unsplash(UnsplashSettings(base_url=base_url, access_key=SecretStr(KEY)), key or LateKey(KEY))


@pytest.fixture
async def double() -> UnsplashDouble:
    return UnsplashDouble(unpublished=True)


@pytest.fixture
async def unsplash(double: UnsplashDouble) -> AsyncIterator[Unsplash]:
    async with served(double.app) as base_url:
        provider = _provider(base_url)
        yield provider
        await provider.close()
    assert double.behaviour.violations == []


async def test_search_photo_and_download(unsplash: Unsplash, double: UnsplashDouble) -> None:
    photos = await unsplash.search("kettle", language="en-GB")
    assert len(photos) > 10
    assert not any("premium" in photo.full_url for photo in photos)
    photo = await unsplash.photo(photos[0].id)
    assert (photo.id, photo.width, photo.photographer) == (photos[0].id, photos[0].width, photos[0].photographer)
    url = await unsplash.download(photos[0])
    assert "w=3840" in url
    assert [call.call for call in double.calls] == ["search", "photo", "download"]


async def test_what_it_leaves_out(unsplash: Unsplash) -> None:
    assert await unsplash.search("premium", language=None) == []
    assert await unsplash.search("nothing", language="tlh") == []


async def test_the_providers_own_limit_is_exported(unsplash: Unsplash) -> None:
    await unsplash.search("kettle", language=None)
    limit, left = (
        gauge.labels(provider="unsplash") for gauge in (metrics.photo_provider_limit, metrics.photo_provider_remaining)
    )
    assert (limit._value.get(), left._value.get()) == (50, 49)


async def test_the_last_request_of_the_hour_is_told_once(unsplash: Unsplash, double: UnsplashDouble) -> None:
    await unsplash.search("kettle", language=None)
    assert unsplash.rest() is None
    double.behaviour.misbehave(Fault(kind="wrong_remaining"))
    assert await unsplash.search("kettle", language=None)
    assert unsplash.rest() == 900.0
    assert unsplash.rest() is None


async def test_an_answer_about_another_photo_is_not_taken() -> None:
    url = "https://unsplash.example/another"
    another = {
        "id": "another",
        "width": 3000,
        "height": 2000,
        "urls": {"full": url, "regular": url, "thumb": url},
        "links": {"html": url, "download_location": url},
        "user": {"name": "A. Person", "links": {"html": url}},
    }

    async def answer(_: Request) -> Response:
        return JSONResponse(another)

    async with served(Starlette(routes=[Route("/photos/{id}", answer)])) as base_url:
        provider = _provider(base_url)
        with pytest.raises(Missing, match="another photo"):
            await provider.photo("asked")
        assert (await provider.photo("what-it-shows-another")).id == "another", "as in the address of its page"
        await provider.close()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(kind="rate_limited"), RateLimited),
        (Fault(kind="quota"), RateLimited),
        (Fault(kind="error"), ProviderFailed),
        (Fault(kind="error", status=401), KeyRefused),
        (Fault(kind="error", status=422), Rejected),
        (Fault(kind="html"), ProviderFailed),
        (Fault(kind="cut_off"), ProviderFailed),
        (Fault(kind="wrong_type"), ProviderFailed),
    ],
    ids=str,
)
async def test_what_goes_wrong(
    unsplash: Unsplash, double: UnsplashDouble, fault: Fault, error: type[Exception]
) -> None:
    double.behaviour.misbehave(fault)
    with pytest.raises(error) as caught:
        await unsplash.search("kettle", language=None)
    assert KEY not in f"{caught.value!r}"
    assert len(double.calls) == 1, "it never asks again by itself"


async def test_a_query_that_is_taken_for_spam_finds_nothing(unsplash: Unsplash, double: UnsplashDouble) -> None:
    double.behaviour.misbehave(Fault(kind="error", status=410))
    assert await unsplash.search("kettle", language=None) == []


@pytest.mark.parametrize(("photo_id", "asked"), [("unknown", 1), ("../search/photos", 0), ("..", 0), ("", 0)])
async def test_a_photo_that_there_is_not(unsplash: Unsplash, double: UnsplashDouble, photo_id: str, asked: int) -> None:
    with pytest.raises(Missing):
        await unsplash.photo(photo_id)
    assert len(double.calls) == asked


async def test_without_a_key_nothing_is_asked(double: UnsplashDouble) -> None:
    async with served(double.app) as base_url:
        for key, error in ((LateKey(), KeyMissing), (LateKey("not a\nkey"), KeyRefused)):
            provider = _provider(base_url, key)
            with pytest.raises(error):
                await provider.search("kettle", language=None)
            assert provider.waits_for() is not None
            await provider.close()
    assert double.calls == []


async def test_a_refused_key_is_asked_with_once(double: UnsplashDouble) -> None:
    now = [0.0]
    async with served(double.app) as base_url:
        provider = _provider(base_url, LateKey("revoked", clock=lambda: now[0]))
        for _ in range(3):
            with pytest.raises(KeyRefused):
                await provider.search("kettle", language=None)
        assert len(double.calls) == 1
        assert provider.waits_for() == "the access key was refused"
        now[0] = 60.0
        assert provider.waits_for() is None, "it is time for a trial: its permissions may have been corrected"
        double.keys.add("revoked")
        assert await provider.search("kettle", language=None)
        assert provider.waits_for() is None
        await provider.close()


async def test_the_key_goes_to_no_other_host() -> None:
    seen: list[str] = []

    async def elsewhere(request: Request) -> Response:
        seen.append(request.url.path)
        return Response("{}")

    async def away(_: Request) -> Response:
        return RedirectResponse(f"{other}/photos")

    async with served(Starlette(routes=[Route("/{path:path}", elsewhere)])) as other:
        app = Starlette(routes=[Route("/{path:path}", away)])
        async with served(app) as base_url, served(UnsplashDouble().app) as double_url:
            working = _provider(double_url)
            [photo, *_] = await working.search("kettle", language=None)
            await working.close()
            provider = _provider(base_url)
            for asked in (provider.search("kettle", language=None), provider.download(photo)):
                with pytest.raises(ProviderFailed):
                    await asked
            await provider.close()
    assert seen == []


async def test_an_answer_without_an_end_is_not_read_to_it() -> None:
    async def endless(_: Request) -> Response:
        return Response(b" " * (LARGEST_ANSWER + 1) + b"{}", media_type="application/json")

    async with served(Starlette(routes=[Route("/{path:path}", endless)])) as base_url:
        provider = _provider(base_url)
        with pytest.raises(ProviderFailed, match="too long"):
            await provider.search("kettle", language=None)
        await provider.close()


async def test_nobody_answers() -> None:
    provider = _provider("http://127.0.0.1:9")
    with pytest.raises(ProviderFailed, match="ConnectError"):
        await provider.search("kettle", language=None)
    await provider.close()

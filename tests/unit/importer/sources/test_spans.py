"""Requests of providers are CLIENT spans of the work that needs them, and say nothing that users have named."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import SecretStr

from heliograph_common.contracts.links import dropbox, google_drive
from heliograph_common.settings import TelemetrySettings
from heliograph_common.telemetry.tracing import setup_tracing, tracer
from heliograph_importer.settings import DriveSettings, DropboxSettings, UrlSettings
from heliograph_importer.sources.dropbox.provider import Dropbox
from heliograph_importer.sources.google_drive.provider import GoogleDrive
from heliograph_importer.sources.port import Location, Missing, OAuthToken, Source
from heliograph_importer.sources.urls.source import UrlList
from heliograph_local.doubles.addresses import APP_KEY, APP_SECRET, DRIVE_KEY, DROPBOX, GOOGLE, WEB
from heliograph_local.doubles.dropbox import demo
from heliograph_local.doubles.google_drive.accounts import CLIENT_ID, CLIENT_SECRET
from heliograph_local.doubles.google_drive.demo import LINK
from heliograph_local.doubles.serving import served
from heliograph_local.doubles.together import Doubles

SECRET = "token-in-the-query"


class Unlimited:
    async def spend(self, name: str = "") -> None:
        pass


@pytest.fixture
def recorded() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    shutdown = setup_tracing("test", TelemetrySettings(), processors=[SimpleSpanProcessor(exporter)])
    yield exporter
    shutdown()


@pytest.fixture
def doubles() -> Doubles:
    return Doubles()


@pytest.fixture
async def url(doubles: Doubles) -> AsyncIterator[str]:
    async with served(doubles.app) as base:
        yield base


def drive(url: str) -> GoogleDrive:
    return GoogleDrive(
        DriveSettings(
            base_url=f"{url}{GOOGLE}/drive/v3/",
            token_url=f"{url}{GOOGLE}/token",
            api_key=SecretStr(DRIVE_KEY),
            client_id=CLIENT_ID,
            client_secret=SecretStr(CLIENT_SECRET),
        )
    )


async def fetch_first(source: Source) -> None:
    folder, _ = await source.root()
    page = await source.list(folder, "")
    async with source.open(next(file for file in page.files if file.skip is None)) as download:
        async for _ in download.chunks:
            pass


def shown(recorded: InMemorySpanExporter) -> list[tuple[str, object]]:
    """Names and statuses of the requests, which are all children of the one span around them."""
    *requests, work = recorded.get_finished_spans()
    assert work.name == "work"
    for request in requests:
        assert request.kind is SpanKind.CLIENT
        assert request.parent == work.context
        assert attributes(request)["server.address"] == "127.0.0.1"
        assert attributes(request)["http.request.method"] == request.name.partition(" ")[0]
    return [(request.name, attributes(request)["http.response.status_code"]) for request in requests]


def attributes(span: ReadableSpan) -> Mapping[str, object]:
    assert span.attributes is not None
    return span.attributes


async def test_google_drive(url: str, recorded: InMemorySpanExporter) -> None:
    provider = drive(url)
    with tracer().start_as_current_span("work"):
        await fetch_first(provider.source(Location(link=google_drive.parse(LINK)), None, Unlimited()))
    await provider.close()

    folder, page, *others = shown(recorded)
    assert (folder, page) == (("GET files/{id}", 200), ("GET files", 200))
    assert set(others) == {("GET files/{id}", 200)}  # where a shortcut leads, and the content
    told = str([(span.name, attributes(span)) for span in recorded.get_finished_spans()])
    assert "1Heliograph" not in told
    assert DRIVE_KEY not in told


async def test_the_renewal_of_an_access_token_of_google(
    url: str, doubles: Doubles, recorded: InMemorySpanExporter
) -> None:
    token = OAuthToken(access_token="", refresh_token=doubles.drive.accounts.refresh_token("ann@example.com"))
    provider = drive(url)
    with tracer().start_as_current_span("work"):
        await fetch_first(provider.source(Location(link=google_drive.parse(LINK)), token, Unlimited()))
    await provider.close()

    assert shown(recorded)[:2] == [("POST", 200), ("GET files/{id}", 200)]


async def test_dropbox(url: str, recorded: InMemorySpanExporter) -> None:
    provider = Dropbox(
        DropboxSettings(
            api_url=f"{url}{DROPBOX}/api",
            content_url=f"{url}{DROPBOX}/content",
            app_key=APP_KEY,
            app_secret=SecretStr(APP_SECRET),
        )
    )
    with tracer().start_as_current_span("work"):
        await fetch_first(provider.source(Location(link=dropbox.parse(demo.LINK)), None, Unlimited()))
    await provider.close()

    routes = ("sharing/get_shared_link_metadata", "files/list_folder", "sharing/get_shared_link_file")
    assert shown(recorded) == [(f"POST /2/{route}", 200) for route in routes]


async def test_a_list_of_urls_and_a_refusal(url: str, recorded: InMemorySpanExporter) -> None:
    missing = f"{url}{WEB}/pictures/of-ann.jpg?token={SECRET}"
    provider = UrlList(UrlSettings(allowed_networks=["127.0.0.0/8"]))
    source = provider.source(Location(link={}, urls=[missing]), None, Unlimited())
    with tracer().start_as_current_span("work"), pytest.raises(Missing):
        await fetch_first(source)
    await provider.close()

    assert shown(recorded) == [("GET", 404)]
    request, _ = recorded.get_finished_spans()
    assert request.status.status_code is StatusCode.ERROR
    assert attributes(request)["error.type"] == "404"
    assert "of-ann" not in str(attributes(request))
    assert SECRET not in str(attributes(request))

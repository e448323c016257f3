"""What Dropbox refuses, and what goes wrong on the way, as errors of the port."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic import SecretStr
from tests.unit.importer.sources.dropbox.support import DropboxWorld, content_of, dropbox_world, everything, token_of

from heliograph_importer.settings import DropboxSettings
from heliograph_importer.sources.dropbox import Dropbox
from heliograph_importer.sources.dropbox.errors import of_refusal
from heliograph_importer.sources.port import (
    AccessDenied,
    ApiKey,
    AppKey,
    Credential,
    CredentialRefused,
    CursorLost,
    Folder,
    Location,
    Missing,
    NotAFolder,
    NotDownloadable,
    OAuthToken,
    ProviderFailed,
    QuotaExceeded,
    ServiceAccount,
    SourceError,
)
from heliograph_local.doubles.dropbox import Folder as Held
from heliograph_local.doubles.faults import Fault

JSON = {"content-type": "application/json"}
FAULTS_OF_DROPBOX = [
    Fault(kind="error", status=500),
    Fault(kind="error", status=503),
    Fault(kind="error", status=302),
    Fault(kind="error", status=404),
    Fault(kind="error", status=409),
    Fault(kind="html"),
]


def held() -> Held:
    """A folder with one picture."""
    folder = Held(name="Holidays")
    folder.file("a.jpg", b"a")
    return folder


@pytest.mark.parametrize("options", [{"password": "secret"}, {"audience": "team"}, {"audience": "no_one"}])
async def test_a_link_that_may_not_be_opened(options: dict[str, Any]) -> None:
    async with dropbox_world() as world:
        source = world.shared(world.double.share(held(), **options))
        for refused in (source.root(), source.list(Folder(ref="/"), "")):
            with pytest.raises(AccessDenied, match="anyone with the link"):
                await refused


async def test_a_link_without_the_right_key() -> None:
    async with dropbox_world() as world:
        link = world.double.share(held())
        for url in (link.url.partition("?")[0], link.url.replace(link.key, "wrong")):
            with pytest.raises(AccessDenied, match="use all of it"):
                await world.shared(url).root()


async def test_a_link_that_is_not_there() -> None:
    async with dropbox_world() as world:
        expired = world.double.share(held(), expired=True)
        for url in (expired.url, "https://www.dropbox.com/scl/fo/never/was?rlkey=x"):
            for refused in (world.shared(url).root(), world.shared(url).list(Folder(ref=""), "")):
                with pytest.raises(Missing, match=": check"):
                    await refused


async def test_a_link_without_downloads() -> None:
    async with dropbox_world() as world:
        link = world.double.share(held())
        [file] = await everything(world.shared(link))
        link.downloads = False
        with pytest.raises(AccessDenied, match="does not allow downloads"):
            await world.shared(link).root()
        with pytest.raises(AccessDenied, match="view and download"):
            await content_of(world.shared(link), file)


async def test_a_path_that_is_not_there() -> None:
    async with dropbox_world() as world:
        source = world.own(world.double.account(held()), "/Nowhere")
        for refused in (source.root(), source.list(Folder(ref=""), "")):
            with pytest.raises(Missing, match="check the path"):
                await refused


@pytest.mark.parametrize("scope", ["files.metadata.read", "files.content.read", "sharing.read"])
async def test_a_scope_that_is_missing_is_named(scope: str) -> None:
    async with dropbox_world() as world:
        own = held()
        account = world.double.account(own)
        [file] = await everything(world.own(account))
        account.scopes -= {scope}
        shared = world.shared(world.double.share(own), token_of(account))
        refused = {
            "files.metadata.read": lambda: world.own(account).list(Folder(ref=""), ""),
            "files.content.read": lambda: content_of(world.own(account), file),
            "sharing.read": shared.root,
        }[scope]
        with pytest.raises(AccessDenied, match=scope):
            await refused()
        await world.own(account).probe()  # Dropbox answers


async def test_a_cursor_that_was_forgotten() -> None:
    async with dropbox_world(page_size=1) as world:
        folder = held()
        folder.file("b.jpg")
        source = world.shared(world.double.share(folder))
        page = await source.list(Folder(ref=""), "")
        world.double.behaviour.misbehave(Fault(kind="cursor_reset"))
        for _ in range(2):
            with pytest.raises(CursorLost):
                await source.list(Folder(ref=""), page.next or "")
        assert len(await everything(source)) == 2


@pytest.mark.parametrize(
    ("fault", "delay"),
    [
        (Fault(kind="rate_limited", retry_after=300), 300),
        (Fault(kind="rate_limited"), 1),
        (Fault(kind="quota", retry_after=42), 42),
        (Fault(kind="quota"), 15),
        (Fault(kind="quota", retry_after=0), 1),
    ],
)
async def test_a_rate_limit_says_until_when_and_is_not_tried_again(fault: Fault, delay: float) -> None:
    async with dropbox_world() as world:
        source = world.shared(world.double.share(held()))
        [file] = await everything(source)
        for refused in (source.root(), source.list(Folder(ref=""), ""), content_of(source, file), source.probe()):
            world.double.behaviour.misbehave(fault)
            before = len(world.calls())
            with pytest.raises(QuotaExceeded) as raised:
                await refused
            assert (raised.value.delay, raised.value.budget) == (delay, None)
            assert len(world.calls()) == before + 1


@pytest.mark.parametrize("fault", FAULTS_OF_DROPBOX, ids=lambda fault: f"{fault.kind}-{fault.status}")
async def test_a_failure_of_dropbox_is_not_tried_again(fault: Fault) -> None:
    async with dropbox_world() as world:
        source = world.shared(world.double.share(held()))
        [file] = await everything(source)
        for failing in (source.root(), content_of(source, file), source.probe()):
            world.double.behaviour.misbehave(fault)
            before = len(world.calls())
            with pytest.raises(ProviderFailed):
                await failing
            assert len(world.calls()) == before + 1
        world.double.behaviour.misbehave(fault)
        with pytest.raises(ProviderFailed):
            await source.list(Folder(ref=""), "")
        assert await content_of(source, file) == b"a"


async def test_a_server_that_is_not_there() -> None:
    settings = DropboxSettings(api_url="http://127.0.0.1:9", content_url="http://127.0.0.1:9")
    provider = Dropbox(settings)
    async with dropbox_world() as world:
        source = provider.source(Location(link={"path": ""}), OAuthToken(access_token="token"), world.budget)
        for failing in (source.list(Folder(ref=""), ""), source.probe()):
            with pytest.raises(ProviderFailed, match="did not answer"):
                await failing
    await provider.close()


async def test_a_budget_that_is_spent_makes_no_request() -> None:
    async with dropbox_world() as world:
        source = world.shared(world.double.share(held()))
        [file] = await everything(source)
        before = len(world.calls())
        for refused in (source.root(), source.list(Folder(ref=""), ""), content_of(source, file), source.probe()):
            world.budget.refusals.append(QuotaExceeded("later", delay=7))
            with pytest.raises(QuotaExceeded, match="later"):
                await refused
        assert len(world.calls()) == before


async def test_each_request_has_its_turn() -> None:
    async with dropbox_world(page_size=1) as world:
        folder = held()
        folder.file("b/c.jpg")
        source = world.shared(world.double.share(folder))
        for file in await everything(source):
            await content_of(source, file)
        await source.probe()
        assert world.budget.spent == len(world.calls())


@pytest.mark.parametrize(
    ("credential", "link", "match"),
    [
        (None, {"shared_link": "x"}, "configure an app key"),
        (AppKey(key="k", secret="s"), {"path": "/Photos"}, "OAuth token to import your own folder"),
        (ApiKey(key="k"), {"shared_link": "x"}, "this kind of credential"),
        (ServiceAccount(info={}), {"shared_link": "x"}, "this kind of credential"),
        (OAuthToken(access_token=""), {"path": ""}, "sign in again"),
        (OAuthToken(access_token="", refresh_token="r"), {"path": ""}, "sign in again"),
    ],
)
async def test_a_credential_that_cannot_be_used(
    credential: Credential | None, link: dict[str, str], match: str
) -> None:
    async with dropbox_world() as world:
        provider = Dropbox(DropboxSettings())
        with pytest.raises(CredentialRefused, match=match):
            provider.source(Location(link=link), credential, world.budget)
        await provider.close()


@pytest.mark.parametrize(
    ("status", "body", "kind", "match"),
    [
        (401, b'{"error": {".tag": "user_suspended"}}', CredentialRefused, "suspended"),
        (401, b'{"error": {".tag": "other"}}', CredentialRefused, "sign in again"),
        (401, b'{"error": {".tag": "newer than us"}}', CredentialRefused, "sign in again"),
        (401, b"<html>", ProviderFailed, "401"),
        (
            400,
            b"... does not have the required scope 'files.content.read'. The owner ...",
            AccessDenied,
            "files.content",
        ),
        (400, b'Invalid authorization value in HTTP header "Authorization"', CredentialRefused, "sign in"),
        (400, b"Error in call to API function", SourceError, "check that the link"),
        (400, b'{"error": "invalid_grant"}', CredentialRefused, "revoked"),
        (400, b'{"error": "invalid_client: Invalid client_id"}', CredentialRefused, "app key"),
        (403, b'{"error": {".tag": "no_permission", "no_permission": {}}}', AccessDenied, "shared with the account"),
        (403, b"<html>", ProviderFailed, "403"),
        (409, b'{"error": {".tag": "path", "path": {".tag": "restricted_content"}}}', AccessDenied, "restricts"),
        (409, b'{"error": {".tag": "path", "path": {".tag": "locked"}}}', AccessDenied, "unlock"),
        (409, b'{"error": {".tag": "path", "path": {".tag": "malformed_path"}}}', Missing, "check it"),
        (409, b'{"error": {".tag": "path", "path": {".tag": "unsupported_content_type"}}}', NotDownloadable, "export"),
        (409, b'{"error": {".tag": "unsupported_file"}}', NotDownloadable, "exported"),
        (409, b'{"error": {".tag": "unsupported_link_type"}}', NotAFolder, "shared folder"),
        (409, b'{"error": {".tag": "unsupported_parameter_field"}}', AccessDenied, "private"),
        (409, b'{"error": {".tag": "path", "path": {".tag": "new"}}}', ProviderFailed, "path, new"),
        (409, b'{"error": {".tag": "path", "path": 5}}', ProviderFailed, "path"),
        (409, b'{"error": []}', ProviderFailed, "409"),
        (409, b"[]", ProviderFailed, "409"),
        (409, b"\xff", ProviderFailed, "409"),
        (409, b'{"error":' * 10_000, ProviderFailed, "409"),
        (409, b'{"error": "reset"}', CursorLost, "forgotten"),
        (422, b'{"error": {".tag": "invalid_root"}}', ProviderFailed, "invalid_root"),
        (206, b"", ProviderFailed, "206"),
    ],
)
@pytest.mark.usefixtures("no_garbage_collection")
def test_a_refusal_means(status: int, body: bytes, kind: type[Exception], match: str) -> None:
    error = of_refusal(status, JSON, body)
    assert type(error) is kind or (kind is ProviderFailed and isinstance(error, kind))
    assert match in str(error)


@pytest.mark.parametrize(
    ("headers", "body", "delay"),
    [
        ({"retry-after": "30"}, b"", 30),
        ({"retry-after": "30.5"}, b"", 30.5),
        ({}, b'{"error": {"retry_after": 60}}', 60),
        ({"retry-after": "5"}, b'{"error": {"retry_after": 60}}', 60),
        ({"retry-after": "soon"}, b'{"error": {"retry_after": "later"}}', 15),
        ({"retry-after": "-3"}, b'{"error": {"retry_after": null}}', 15),
        ({"retry-after": "nan"}, b"", 15),
        ({"retry-after": "inf"}, b"", 15),
        ({"retry-after": f"Mon, 04 May {'9' * 20} 12:00:00 GMT"}, b"", 15),
        ({}, b'{"error": {"retry_after": 1' + b"0" * 400 + b"}}", 15),
        ({"retry-after": "1e12"}, b"", 86_400),
        ({}, b'{"error": {"reason": {".tag": "newer"}, "retry_after": 9, "more": 1}}', 9),
    ],
)
def test_how_long_a_limit_lasts(headers: dict[str, str], body: bytes, delay: float) -> None:
    error = of_refusal(429, headers, body)
    assert isinstance(error, QuotaExceeded)
    assert error.delay == delay


def test_a_limit_may_last_until_a_date() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    error = of_refusal(429, {"retry-after": until}, b"")
    assert isinstance(error, QuotaExceeded)
    assert 200 < (error.delay or 0) <= 300


def test_an_outage_may_say_how_long_it_lasts() -> None:
    error = of_refusal(503, {"retry-after": "20"}, b"")
    assert isinstance(error, ProviderFailed)
    assert error.delay == 20
    error = of_refusal(503, {"retry-after": "86400"}, b"")
    assert isinstance(error, ProviderFailed)
    assert error.delay == 60, "a server that fails knows little about when it will not"


async def test_a_token_that_expired_is_refreshed_once_for_all() -> None:
    async with dropbox_world() as world:
        account = world.double.account(held())
        token = token_of(account, refreshed=True)
        source = _own(world, token)
        [file] = await everything(source)
        assert "oauth2/token" not in world.calls()
        account.expire()
        assert await content_of(source, file) == b"a"
        assert await content_of(_own(world, token), file) == b"a"  # as the row has it, the same token again
        assert world.calls().count("oauth2/token") == 1
        account.expire()
        await asyncio.gather(*(source.list(Folder(ref=""), "") for _ in range(8)))
        assert world.calls().count("oauth2/token") == 2


@pytest.mark.parametrize("access_token", ["", "never heard of"])
async def test_a_refresh_token_is_enough(access_token: str) -> None:
    async with dropbox_world() as world:
        account = world.double.account(held())
        token = OAuthToken(access_token=access_token, refresh_token=account.refresh_token)
        assert len(await everything(_own(world, token))) == 1


async def test_a_token_near_its_end_is_refreshed_before_it_is_used() -> None:
    async with dropbox_world() as world:
        account = world.double.account(held())
        await everything(_own(world, token_of(account, refreshed=True, expires_at=time.time() + 3600)))
        assert "oauth2/token" not in world.calls()
        await everything(_own(world, token_of(account, refreshed=True, expires_at=time.time() + 30)))
        assert world.calls().count("oauth2/token") == 1


async def test_a_token_that_cannot_be_refreshed_is_refused() -> None:
    async with dropbox_world() as world:
        account = world.double.account(held())
        unrefreshable, revoked, of_another_app, refreshable = (
            token_of(account),
            OAuthToken(access_token=account.token, refresh_token="revoked"),
            OAuthToken(
                access_token=account.token, refresh_token=account.refresh_token, client_id="else", client_secret="x"
            ),
            token_of(account, refreshed=True),
        )
        account.expire()
        for token, match in ((unrefreshable, "expired"), (revoked, "revoked"), (of_another_app, "app key")):
            with pytest.raises(CredentialRefused, match=match):
                await _own(world, token).list(Folder(ref=""), "")
        account.suspended = True
        with pytest.raises(CredentialRefused, match="suspended"):
            await _own(world, refreshable).list(Folder(ref=""), "")


@pytest.mark.parametrize("fault", [Fault(kind="error", call="oauth2/token"), Fault(kind="html", call="oauth2/token")])
async def test_a_refresh_that_fails_is_the_providers_failure(fault: Fault) -> None:
    async with dropbox_world() as world:
        account = world.double.account(held())
        source = _own(world, token_of(account, refreshed=True))
        account.expire()
        world.double.behaviour.misbehave(fault)
        with pytest.raises(ProviderFailed):
            await source.list(Folder(ref=""), "")
        assert len((await source.list(Folder(ref=""), "")).files) == 1


async def test_the_wrong_app_key_is_refused() -> None:
    async with dropbox_world() as world:
        link = world.double.share(held())
        source = world.shared(link, AppKey(key="wrong", secret="wrong"))
        with pytest.raises(CredentialRefused, match="check key and secret"):
            await source.root()
        await source.probe()  # Dropbox answers


async def test_nothing_that_is_secret_is_shown() -> None:
    async with dropbox_world() as world:
        link = world.double.share(held(), password="secret")
        settings = DropboxSettings(app_key="key", app_secret=SecretStr("s3cret"))
        provider = Dropbox(settings)
        source = provider.source(Location(link={"shared_link": link.url}), None, world.budget)
        assert "s3cret" not in repr(source) + repr(provider) + repr(vars(provider)["_app"])
        await provider.close()
        with pytest.raises(AccessDenied) as raised:
            await world.shared(link).root()
        assert link.key not in repr(raised.value)


def _own(world: DropboxWorld, token: OAuthToken) -> Any:
    return world.provider.source(Location(link={"path": ""}), token, world.budget)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (409, json.dumps({"error": {".tag": "x\x00\ud800" * 100_000}}).encode()),
        (401, json.dumps({"error": {".tag": "missing_scope", "required_scope": "x\n" * 100_000}}).encode()),
        (400, b"required scope '" + b"a." * 100 + b"a" * 100_000 + b"'"),
    ],
)
def test_what_dropbox_says_is_quoted_briefly(status: int, body: bytes) -> None:
    assert len(str(of_refusal(status, {}, body))) < 400
    assert str(of_refusal(status, {}, body)).isprintable()


@pytest.mark.parametrize(
    "token", ["geheim\xe4", "geheim\u20ac", "geheim\nX-More: 1", "geheim\x00", "geheim\ud800", "ge heim"]
)
async def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(token: str) -> None:
    async with dropbox_world() as world:
        source = world.provider.source(Location(link={"path": "/a"}), OAuthToken(access_token=token), world.budget)
        with pytest.raises(CredentialRefused) as refused:
            await source.root()
        assert "geheim" not in "".join(traceback.format_exception(refused.value))
        assert refused.value.__cause__ is None


async def test_a_refresh_token_that_cannot_be_sent_is_refused_and_not_shown() -> None:
    async with dropbox_world() as world:
        token = OAuthToken(access_token="", refresh_token="geheim\ud800")
        with pytest.raises(CredentialRefused) as refused:
            await world.provider.source(Location(link={"path": "/a"}), token, world.budget).root()
        assert "geheim" not in "".join(traceback.format_exception(refused.value))


async def test_a_host_of_contents_that_is_away_by_itself_is_noticed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        free_port = listening.getsockname()[1]
    async with dropbox_world() as world:
        account = world.double.account(held())
        api = f"{world.url}/api"
        away = Dropbox(DropboxSettings(api_url=api, content_url=f"http://127.0.0.1:{free_port}"))
        try:
            source = away.source(Location(link={"path": ""}), token_of(account), world.budget)
            [file] = await everything(source)
            with pytest.raises(ProviderFailed):
                await content_of(source, file)
            with pytest.raises(ProviderFailed, match="did not answer"):
                await source.probe()
        finally:
            await away.close()
        await world.own(account).probe()

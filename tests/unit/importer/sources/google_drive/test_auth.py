"""Credentials of each kind: what is sent, when tokens are renewed, and who may see what."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from tests.unit.importer.sources.google_drive.support import Counted, Served, fetched, serving, walk

from heliograph_importer.settings import DriveSettings
from heliograph_importer.sources.google_drive import GoogleDrive, auth
from heliograph_importer.sources.google_drive.auth import TokenAuthorization
from heliograph_importer.sources.port import (
    AccessDenied,
    ApiKey,
    AppKey,
    Credential,
    CredentialRefused,
    Location,
    Missing,
    OAuthToken,
    ProviderFailed,
    ServiceAccount,
)
from heliograph_local.doubles.faults import Fault
from heliograph_local.doubles.google_drive import ANYONE, DriveDouble, Item
from heliograph_local.doubles.google_drive.accounts import READ_ONLY
from heliograph_local.doubles.serving import served

ADA = "ada@example.com"


@pytest.fixture
def private(drive: Served) -> Item:
    top = drive.double.tree.folder("Private", shared=[ADA])
    drive.double.tree.file("one.jpg", top, b"content")
    return top


async def test_an_api_key_sees_what_is_public_only(drive: Served, private: Item) -> None:
    public = drive.double.tree.folder("Public", shared=ANYONE)
    assert (await drive.source(public).root())[1] == "Public"
    with pytest.raises(Missing) as missing:
        await drive.source(private).root()
    assert "share the folder so that anyone with the link can view it" in str(missing.value)
    assert "an OAuth token that has the scope drive.readonly" in str(missing.value)


async def test_a_named_api_key_is_used_in_place_of_the_installations(drive: Served) -> None:
    public = drive.double.tree.folder("Public", shared=ANYONE)
    with pytest.raises(CredentialRefused, match="API key not valid"):
        await drive.source(public, ApiKey(key="unknown")).root()
    drive.double.accounts.api_keys.add("another")
    assert await drive.source(public, ApiKey(key="another")).root()


async def test_without_an_api_key_the_remedies_are_named() -> None:
    async with serving(DriveDouble(), api_key=None) as drive:
        with pytest.raises(CredentialRefused, match="HELIOGRAPH_GOOGLE_DRIVE__API_KEY"):
            drive.source("1x")


async def test_credentials_of_another_provider_are_refused(drive: Served) -> None:
    with pytest.raises(CredentialRefused, match="takes API keys, service accounts and OAuth tokens"):
        drive.source("1x", AppKey(key="k", secret="s"))


async def test_a_service_account_sees_what_is_shared_with_it(drive: Served, private: Item) -> None:
    account = ServiceAccount(info=drive.double.accounts.service_account("robot"))
    with pytest.raises(Missing, match=r"share the folder with robot@project\.iam\.gserviceaccount\.com"):
        await drive.source(private, account).root()
    private.shared |= {"robot@project.iam.gserviceaccount.com"}
    source = drive.source(private, account)
    assert await fetched(source, (await walk(source))[0]) == b"content"
    assert drive.calls().count("token") == 1


async def test_a_service_account_of_no_one_is_refused(drive: Served, private: Item) -> None:
    stranger = DriveDouble().accounts.service_account("stranger")
    with pytest.raises(CredentialRefused, match=r"invalid_grant: Invalid JWT Signature"):
        await drive.source(private, ServiceAccount(info=stranger)).root()


@pytest.mark.parametrize("spoilt", [{"private_key": "no key"}, {"client_email": None}, {"private_key": ""}])
async def test_a_malformed_key_of_a_service_account(drive: Served, spoilt: dict[str, Any]) -> None:
    info = {**drive.double.accounts.service_account(), **spoilt}
    given = {name: value for name, value in info.items() if value is not None}
    with pytest.raises(CredentialRefused, match="download a new JSON key"):
        drive.source("1x", ServiceAccount(info=given))


async def test_the_address_in_a_key_is_not_asked(drive: Served, private: Item) -> None:
    info = drive.double.accounts.service_account("robot") | {"token_uri": "http://127.0.0.1:9/token"}
    private.shared |= {"robot@project.iam.gserviceaccount.com"}
    assert await drive.source(private, ServiceAccount(info=info)).root()


async def test_a_users_token_sees_what_the_user_sees(drive: Served, private: Item) -> None:
    token = OAuthToken(access_token=drive.double.accounts.token(ADA))
    assert (await drive.source(private, token).root())[1] == "Private"
    other = OAuthToken(access_token=drive.double.accounts.token("bob@example.com"))
    with pytest.raises(Missing, match="share the folder with the token's user"):
        await drive.source(private, other).root()


async def test_a_token_that_lacks_the_scope(drive: Served, private: Item) -> None:
    accounts = drive.double.accounts
    none = accounts.token(ADA, scopes=["https://www.googleapis.com/auth/calendar"])
    with pytest.raises(AccessDenied, match=r"get one with the scope drive\.readonly"):
        await drive.source(private, OAuthToken(access_token=none)).root()
    metadata = accounts.token(ADA, scopes=["https://www.googleapis.com/auth/drive.metadata.readonly"])
    source = drive.source(private, OAuthToken(access_token=metadata))
    [file] = await walk(source)
    with pytest.raises(AccessDenied, match=r"get one with the scope drive\.readonly"):
        await fetched(source, file)


async def test_an_expired_token_without_another_is_refused(drive: Served, private: Item) -> None:
    token = drive.double.accounts.token(ADA, seconds=-1)
    source = drive.source(private, OAuthToken(access_token=token, expires_at=time.time() - 1))
    with pytest.raises(CredentialRefused, match=r"Invalid Credentials\): get a new token"):
        await source.root()
    assert drive.calls() == ["drive.files.get"]


async def test_a_token_is_renewed_once_after_401_and_kept(drive: Served, private: Item) -> None:
    accounts = drive.double.accounts
    credential = OAuthToken(access_token=accounts.token(ADA), refresh_token=accounts.refresh_token(ADA))
    assert await drive.source(private, credential).root()
    accounts.withdraw(credential.access_token)
    source = drive.source(private, credential)
    [file] = await walk(source)
    assert await fetched(drive.source(private, credential), file) == b"content"
    assert drive.calls().count("token") == 1
    assert drive.budget.spent == len(drive.calls()) - 1


async def test_many_requests_renew_a_token_once(drive: Served, private: Item) -> None:
    accounts = drive.double.accounts
    credential = OAuthToken(access_token="withdrawn", refresh_token=accounts.refresh_token(ADA))
    source = drive.source(private, credential)
    await asyncio.gather(*(source.root() for _ in range(10)))
    assert drive.calls().count("token") == 1


@pytest.mark.parametrize("held", [("", None), ("ends soon", time.time() + 30)])
async def test_a_token_is_renewed_before_it_ends(drive: Served, private: Item, held: tuple[str, float | None]) -> None:
    token, expires_at = held
    credential = OAuthToken(
        access_token=token, expires_at=expires_at, refresh_token=drive.double.accounts.refresh_token(ADA)
    )
    await drive.source(private, credential).root()
    await drive.source(private, credential).root()
    assert drive.calls() == ["token", "drive.files.get", "drive.files.get"]


async def test_a_token_with_an_application_of_its_own(drive: Served, private: Item) -> None:
    refresh = drive.double.accounts.refresh_token(ADA, "her app", "her secret")
    own = OAuthToken(access_token="", refresh_token=refresh, client_id="her app", client_secret="her secret")
    assert await drive.source(private, own).root()
    with pytest.raises(CredentialRefused, match="invalid_client"):
        await drive.source(private, OAuthToken(access_token="", refresh_token=refresh)).root()


async def test_a_withdrawn_consent_is_refused(drive: Served, private: Item) -> None:
    refresh = drive.double.accounts.refresh_token(ADA)
    drive.double.accounts.withdraw(refresh)
    with pytest.raises(CredentialRefused, match=r"expired or revoked.*authorize access again"):
        await drive.source(private, OAuthToken(access_token="old", refresh_token=refresh)).root()


async def test_a_token_refused_again_after_renewal_is_refused(drive: Served, private: Item) -> None:
    refresh = drive.double.accounts.refresh_token(ADA)
    drive.double.behaviour.misbehave(Fault(kind="error", call="drive.files.get", status=401, times=-1))
    with pytest.raises(CredentialRefused):
        await drive.source(private, OAuthToken(access_token="old", refresh_token=refresh)).root()
    assert drive.calls() == ["drive.files.get", "token", "drive.files.get"]


async def test_no_token_and_nothing_that_renews_one(drive: Served) -> None:
    with pytest.raises(CredentialRefused, match="import with a new token"):
        drive.source("1x", OAuthToken(access_token=""))


@pytest.mark.parametrize(
    "answer",
    [
        HTMLResponse("<h1>Bad Gateway</h1>", 502),
        HTMLResponse("<h1>Sign in to the network</h1>", 200),
        JSONResponse({"token_type": "Bearer"}),
        JSONResponse(["not", "a", "token"]),
        JSONResponse({"access_token": "", "expires_in": 3600}),
        JSONResponse({"access_token": "x", "expires_in": "soon"}),
    ],
    ids=["502", "page", "no token", "array", "empty", "odd expiry"],
)
@pytest.mark.parametrize("kind", ["service account", "user"])
async def test_a_token_endpoint_that_is_not_googles(answer: Response, kind: str) -> None:
    async def always(_: Request) -> Response:
        return answer

    accounts = DriveDouble().accounts
    credential: Credential = OAuthToken(access_token="", refresh_token="r", client_id="c", client_secret="s")
    if kind == "service account":
        credential = ServiceAccount(info=accounts.service_account())
    async with served(Starlette(routes=[Route("/token", always, methods=["POST"])])) as url:
        with pytest.raises(ProviderFailed, match="token"):
            await _root(f"{url}/token", credential)


async def test_a_token_endpoint_that_is_not_there() -> None:
    with pytest.raises(ProviderFailed, match="cannot be reached"):
        await _root(
            "http://127.0.0.1:9/token", OAuthToken(access_token="", refresh_token="r", client_id="c", client_secret="s")
        )


async def _root(token_url: str, credential: Credential) -> None:
    provider = GoogleDrive(DriveSettings(base_url="http://127.0.0.1:9/drive/v3/", token_url=token_url))
    try:
        await provider.source(Location(link={"folder_id": "1x"}), credential, Counted()).root()
    finally:
        await provider.close()


async def test_the_oldest_authorizations_are_forgotten(drive: Served, private: Item) -> None:
    credential = OAuthToken(access_token="", refresh_token=drive.double.accounts.refresh_token(ADA))
    await drive.source(private, credential).root()
    for number in range(auth.CACHED):
        drive.source(private, OAuthToken(access_token=f"token {number}"))
    await drive.source(private, credential).root()
    assert drive.calls().count("token") == 2


async def test_what_is_asked_for_is_to_read(drive: Served, private: Item) -> None:
    private.shared |= {"robot@project.iam.gserviceaccount.com"}
    await drive.source(private, ServiceAccount(info=drive.double.accounts.service_account("robot"))).root()
    [token] = drive.double.accounts.tokens.values()
    assert token.scopes == {READ_ONLY}


def test_secrets_are_not_in_what_is_printed() -> None:
    token = OAuthToken(access_token="SECRET", refresh_token="SECRET", client_secret="SECRET")
    printed = f"{token!r} {ApiKey(key='SECRET')!r} {ServiceAccount(info={'private_key': 'SECRET'})!r}"
    assert "SECRET" not in printed


async def test_a_renewal_that_hangs_is_given_up() -> None:
    finish = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        authorization = TokenAuthorization(pool, "", lambda: (str(finish.wait(30)), None), seconds=0.05)
        with pytest.raises(ProviderFailed, match="cannot be reached"):
            await authorization.headers()
        finish.set()


@pytest.mark.parametrize("token", ["geheim\xe4", "geheim\nX-More: 1", "geheim\x00", "geheim\ud800"])
async def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(drive: Served, token: str) -> None:
    for credential in (
        OAuthToken(access_token=token),
        ApiKey(key=token),
        OAuthToken(access_token="", refresh_token="geheim\ud800", client_id="c", client_secret="s"),
    ):
        with pytest.raises(CredentialRefused) as refused:
            await drive.source("1x", credential).root()
        assert "geheim" not in "".join(traceback.format_exception(refused.value))
        assert refused.value.__cause__ is None


async def test_a_resource_key_that_is_none_is_no_fault_of_the_credential(drive: Served) -> None:
    public = drive.double.tree.folder("Public", shared=ANYONE)
    assert (await drive.source(public, key="\xe4\n").root())[1] == "Public"

"""The double of Dropbox refuses what Dropbox would, and says nothing that Dropbox would not say."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from dropbox import files

from heliograph_local.doubles.dropbox import DropboxDouble, Folder
from heliograph_local.doubles.dropbox.schema import CALLS, InvalidAnswer, rate_limit_error
from heliograph_local.doubles.faults import Fault
from heliograph_local.doubles.serving import served

LIST, DOWNLOAD = "/api/2/files/list_folder", "/content/2/files/download"
TOKEN = {"authorization": "Bearer token-1"}
APP = {"authorization": f"Basic {base64.b64encode(b'double-key:double-secret').decode()}"}


@pytest.fixture
def double() -> DropboxDouble:
    """One with an account, whose one file is shared."""
    made, held = DropboxDouble(), Folder(name="Holidays")
    held.file("a.jpg", b"content")
    made.account(held)
    made.share(held, ident="one")
    return made


@pytest.fixture
async def client(double: DropboxDouble) -> AsyncIterator[httpx2.AsyncClient]:
    """Of the double."""
    async with served(double.app) as url, httpx2.AsyncClient(base_url=url) as connected:
        yield connected


async def rpc(
    client: httpx2.AsyncClient, path: str, body: object, headers: Mapping[str, str] = TOKEN
) -> httpx2.Response:
    """A request as the SDK makes it."""
    return await client.post(
        path, content=json.dumps(body), headers={"content-type": "application/json"} | dict(headers)
    )


@pytest.mark.parametrize(
    ("path", "body", "what"),
    [
        (LIST, {}, "missing required field 'path'"),
        (LIST, {"path": "", "newer": 1}, "unknown field 'newer'"),
        (LIST, {"path": 5}, "path"),
        (LIST, {"path": "no slash"}, "path"),
        (LIST, {"path": "/"}, "empty string"),
        (LIST, {"path": "", "limit": 5000}, "limit"),
        (LIST, {"path": "", "shared_link": {"url": "x"}, "recursive": True}, "recursive is not supported"),
        (LIST, [], "expected object"),
        (f"{LIST}/continue", {"cursor": ""}, "cursor"),
        (f"{LIST}/continue", {"cursor": "bogus"}, "cursor"),
        ("/content/2/files/list_folder", {"path": ""}, "instead of 'api'"),
        ("/api/2/files/download", {"path": "/a.jpg"}, "instead of 'content'"),
        (DOWNLOAD, {"path": "/a.jpg"}, "header Dropbox-API-Arg"),
        ("/api/2/files/nothing", {}, "unknown API function"),
        ("/api/2/files/get_metadata", {"path": "/a.jpg", "include_media": True}, "unknown field"),
        ("/api/2/files/get_temporary_link", {"path": "/a.jpg"}, "the double has no files/get_temporary_link"),
        (f"{LIST}?arg=1", {"path": ""}, "query"),
    ],
)
async def test_a_request_that_dropbox_would_not_accept(
    client: httpx2.AsyncClient, double: DropboxDouble, path: str, body: object, what: str
) -> None:
    answer = await rpc(client, path, body)
    assert answer.status_code == 400
    [violation] = double.behaviour.violations
    assert what in violation


async def test_a_request_in_the_wrong_form(client: httpx2.AsyncClient, double: DropboxDouble) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    for headers, content in (
        (form, "path="),
        ({"content-type": "application/json"}, "{"),
        ({"content-type": "application/json", "dropbox-api-arg": "{}"}, '{"path": ""}'),
    ):
        assert (await client.post(LIST, headers=TOKEN | headers, content=content)).status_code == 400
    assert (await client.get(LIST, headers=TOKEN)).status_code == 400
    assert (await client.post(DOWNLOAD, headers=TOKEN | {"dropbox-api-arg": '{"path": 1}'})).status_code == 400
    assert (await client.post("/api/oauth2/token", data={"grant_type": "password"})).status_code == 400
    assert len(double.behaviour.violations) == 6
    assert double.behaviour.asked == []


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        (LIST, {"path": ""}, {}),
        (LIST, {"path": ""}, {"authorization": "Token x"}),
        (LIST, {"path": ""}, APP),  # which account?
        ("/api/2/files/get_metadata", {"path": "/a.jpg"}, APP),
        ("/api/2/check/user", {"query": ""}, APP),
        ("/api/2/check/app", {"query": ""}, TOKEN),
    ],
)
async def test_a_call_with_the_wrong_kind_of_credential(
    client: httpx2.AsyncClient, double: DropboxDouble, path: str, body: object, headers: dict[str, str]
) -> None:
    assert (await rpc(client, path, body, headers)).status_code == 400
    assert len(double.behaviour.violations) == 1


async def test_an_answer_that_dropbox_would_not_give(client: httpx2.AsyncClient, double: DropboxDouble) -> None:
    answers: dict[str, Any] = dict(double._handlers)
    double._handlers = answers
    for wrong in (
        files.ListFolderResult(entries=[], cursor="c"),
        files.ListFolderError.other,
        {"entries": [], "cursor": "c", "has_more": False},
        None,
    ):
        double.behaviour.violations.clear()
        answers["files/list_folder"] = lambda *_, wrong=wrong: wrong
        answer = await rpc(client, LIST, {"path": ""})
        assert answer.status_code == 500
        assert "the answer of files/list_folder" in double.behaviour.violations[0]


def test_an_error_of_another_call_is_not_this_ones() -> None:
    assert "path/not_found" in CALLS["files/list_folder"].encode_error(
        files.ListFolderError.path(files.LookupError.not_found)
    )
    with pytest.raises(InvalidAnswer, match="the error of files/list_folder"):
        CALLS["files/list_folder"].encode_error(files.ListFolderContinueError.reset)
    with pytest.raises(InvalidAnswer):
        rate_limit_error(files.LookupError.not_found)


def test_the_calls_are_those_of_the_sdk_with_their_scopes() -> None:
    assert CALLS["files/list_folder"].users == {"app", "user"}
    assert CALLS["files/list_folder/continue"].scope == CALLS["files/list_folder"].scope == "files.metadata.read"
    assert CALLS["sharing/get_shared_link_file"].host == CALLS["files/download"].host == "content"
    assert CALLS["files/download"].scope == "files.content.read"
    assert CALLS["files/copy_v2"] != CALLS["files/copy"]


@pytest.mark.parametrize(
    ("change", "status", "summary"),
    [
        ({"token": "revoked"}, 401, "invalid_access_token/..."),
        ({"expired": {"token-1"}}, 401, "expired_access_token/..."),
        ({"suspended": True}, 401, "user_suspended/..."),
        ({"scopes": frozenset()}, 401, "missing_scope/..."),
        ({"root": Folder(name="empty")}, 409, "path/not_found/..."),
    ],
)
async def test_errors_have_the_shape_of_dropbox(
    client: httpx2.AsyncClient, double: DropboxDouble, change: dict[str, Any], status: int, summary: str
) -> None:
    double.accounts[0] = replace(double.accounts[0], **change)
    answer = await rpc(client, "/api/2/files/get_metadata", {"path": "/a.jpg"})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert answer.json()["error_summary"] == summary
    assert answer.json()["error"][".tag"] == summary.partition("/")[0]
    assert double.behaviour.violations == []


async def test_faults_are_set_over_http(client: httpx2.AsyncClient, double: DropboxDouble) -> None:
    faults = [{"kind": "rate_limited", "call": "files/list_folder", "retry_after": 7}]
    assert (await client.put("/_double/faults", json=faults)).status_code == 204
    answer = await rpc(client, LIST, {"path": ""})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["error"] == {"reason": {".tag": "too_many_requests"}, "retry_after": 7}
    assert (await rpc(client, LIST, {"path": ""})).status_code == 200
    asked = (await client.get("/_double/requests")).json()
    assert [each["call"] for each in asked] == ["files/list_folder"] * 2
    assert (await client.get("/_double/violations")).json() == []


async def test_a_slow_answer_is_an_answer(client: httpx2.AsyncClient, double: DropboxDouble) -> None:
    double.behaviour.misbehave(Fault(kind="slow", seconds=0.01))
    assert (await rpc(client, LIST, {"path": ""})).status_code == 200


async def test_a_fault_about_one_file_spares_the_others(client: httpx2.AsyncClient, double: DropboxDouble) -> None:
    double.accounts[0].root.file("b.jpg", b"b")
    double.behaviour.misbehave(Fault(kind="wrong_size", about="b.jpg", times=-1))
    entries = (await rpc(client, LIST, {"path": ""})).json()["entries"]
    assert [entry["size"] for entry in entries] == [7, 3]


async def test_a_download_has_its_metadata_in_a_header(client: httpx2.AsyncClient, double: DropboxDouble) -> None:
    double.accounts[0].root.file("ä\x7f.jpg", b"b")
    answer = await client.post(DOWNLOAD, headers=TOKEN | {"dropbox-api-arg": json.dumps({"path": "/ä\x7f.jpg"})})
    told = json.loads(answer.headers["dropbox-api-result"])
    assert (told["name"], told["size"], answer.content) == ("ä\x7f.jpg", 1, b"b")
    assert answer.headers["dropbox-api-result"].isascii()
    assert answer.headers["dropbox-api-result"].isprintable()


async def test_entries_of_a_shared_link_have_no_path(client: httpx2.AsyncClient, double: DropboxDouble) -> None:
    [link] = double.answers.links.values()
    for headers in (APP, TOKEN):
        [entry] = (await rpc(client, LIST, {"path": "", "shared_link": {"url": link.url}}, headers)).json()["entries"]
        assert "path_lower" not in entry
        assert entry["id"].startswith("id:")
    [own] = (await rpc(client, LIST, {"path": ""})).json()["entries"]
    assert own["path_lower"] == "/a.jpg"


async def test_a_link_with_a_password_opens_with_it(client: httpx2.AsyncClient, double: DropboxDouble) -> None:
    [link] = double.answers.links.values()
    link.password = "secret"
    path = "/api/2/sharing/get_shared_link_metadata"
    assert (await rpc(client, path, {"url": link.url}, APP)).json()["error_summary"] == "shared_link_access_denied/..."
    assert (await rpc(client, path, {"url": link.url, "link_password": "secret"}, APP)).status_code == 200


def test_the_same_tree_has_the_same_ids() -> None:
    first, second = (Folder(name="Holidays").file("A/b.jpg") for _ in range(2))
    assert first.id == second.id
    folder = Folder(name="Holidays")
    folder.file("a.jpg")
    with pytest.raises(TypeError, match="is a file"):
        folder.file("a.jpg/b.jpg")

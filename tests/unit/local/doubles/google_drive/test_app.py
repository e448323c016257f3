"""What the double accepts and refuses, and that it notices answers which Google would not give."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from heliograph_local.doubles.faults import Fault
from heliograph_local.doubles.google_drive import ANYONE, DriveDouble, Item
from heliograph_local.doubles.google_drive.accounts import API_KEY, JWT_GRANT
from heliograph_local.doubles.serving import served

LIST = "/drive/v3/files"


@pytest.fixture
def double() -> DriveDouble:
    return DriveDouble(largest_page=5)


@pytest.fixture
def top(double: DriveDouble) -> Item:
    return double.tree.folder("Top", shared=ANYONE)


@pytest.fixture
async def http(double: DriveDouble) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        served(double.app) as url,
        httpx2.AsyncClient(base_url=url, trust_env=False, headers={"X-Goog-Api-Key": API_KEY}) as client,
    ):
        yield client


def in_folder(item: Item, **more: str) -> dict[str, str]:
    """Parameters of ``files.list``."""
    return {"q": f"'{item.id}' in parents and trashed=false", **more}


def reason(response: httpx2.Response) -> str:
    """The reason of an error in Google's shape."""
    error = response.json()["error"]
    assert error["code"] == response.status_code
    assert error["message"] == error["errors"][0]["message"]
    return str(error["errors"][0]["reason"])


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"colour": "blue"}, "unknown parameter 'colour'"),
        ({"fileId": "x"}, "unknown parameter 'fileId'"),
        ({"pageSize": "many"}, "'pageSize' is 'many', not an integer"),
        ({"pageSize": "0"}, "'pageSize' is 0, out of range"),
        ({"pageSize": "1001"}, "'pageSize' is 1001, out of range"),
        ({"supportsAllDrives": "True"}, "'supportsAllDrives' is 'True', not true or false"),
        ({"alt": "xml"}, "'alt' is 'xml', not one of json, media, proto"),
        ({"fields": "files(id,colour)"}, "unknown field 'files/colour'"),
        ({"fields": "files(id,capabilities/canFly)"}, "unknown field 'files/capabilities/canFly'"),
        ({"fields": "files(id"}, "is malformed"),
        ({"fields": ""}, "is malformed"),
        ({"q": "name contains 'x'"}, "not understood here"),
        ({"q": "'x' in parents) or (1=1"}, "not understood here"),
    ],
)
async def test_requests_that_google_does_not_describe(
    double: DriveDouble, top: Item, http: httpx2.AsyncClient, query: dict[str, str], says: str
) -> None:
    response = await http.get(LIST, params={**in_folder(top), **query})
    assert (response.status_code, reason(response)) == (400, "badRequest")
    [violation] = double.behaviour.violations
    assert says in violation
    assert double.behaviour.asked == []


async def test_a_parameter_is_given_once(double: DriveDouble, top: Item, http: httpx2.AsyncClient) -> None:
    response = await http.get(LIST, params=[*in_folder(top).items(), ("pageSize", "1"), ("pageSize", "2")])
    assert response.status_code == 400
    assert "given more than once" in double.behaviour.violations[0]


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/drive/v3/pictures", 404, "no such method"),
        ("POST", "/drive/v3/files/x/y", 404, "no such method"),
        ("DELETE", "/drive/v3/files/x", 400, "drive.files.delete: not here"),
        ("GET", "/drive/v3/changes", 400, "parameter 'pageToken' is missing"),
    ],
)
async def test_methods(
    double: DriveDouble, http: httpx2.AsyncClient, method: str, path: str, status: int, says: str
) -> None:
    assert (await http.request(method, path)).status_code == status
    assert says in double.behaviour.violations[0]


@pytest.mark.parametrize("keys", ["no-slash", "a/b/c", "a/b;c/d", ""])
async def test_resource_keys_have_a_form(double: DriveDouble, top: Item, http: httpx2.AsyncClient, keys: str) -> None:
    response = await http.get(f"{LIST}/{top.id}", headers={"X-Goog-Drive-Resource-Keys": keys})
    assert response.status_code == 400
    assert "no list of id/key" in double.behaviour.violations[0]


async def test_a_get_has_no_body(double: DriveDouble, top: Item, http: httpx2.AsyncClient) -> None:
    assert (await http.request("GET", f"{LIST}/{top.id}", content=b"x")).status_code == 400
    assert "a body" in double.behaviour.violations[0]


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"colour": "blue"}, "File has no 'colour'"),
        ({"size": 12}, "File.size is no string"),
        ({"size": "12 kB"}, "File.size is '12 kB', not of the format int64"),
        ({"modifiedTime": "yesterday"}, "not of the format date-time"),
        ({"trashed": "false"}, "File.trashed is no boolean"),
        ({"capabilities": {"canFly": True}}, "File.capabilities has no 'canFly'"),
        ({"parents": "x"}, "File.parents is no array"),
        ({"owners": [{"emailAddress": 1}]}, "File.owners[].emailAddress is no string"),
        ({"imageMediaMetadata": {"width": 1.5}}, "File.imageMediaMetadata.width is no integer"),
        ({"imageMediaMetadata": {"aperture": True}}, "File.imageMediaMetadata.aperture is no number"),
        ({"name": None}, "File.name is no string"),
        ({"capabilities": []}, "File.capabilities is no object"),
        ({"properties": {"a": 1}}, "File.properties.a is no string"),
    ],
)
async def test_answers_that_google_would_not_give(
    double: DriveDouble, top: Item, http: httpx2.AsyncClient, extra: dict[str, Any], says: str
) -> None:
    top.extra = extra
    response = await http.get(f"{LIST}/{top.id}", params={"fields": "*"})
    assert (response.status_code, reason(response)) == (500, "badRequest")
    assert says in double.behaviour.violations[0]


async def test_a_wrong_file_makes_a_wrong_list(double: DriveDouble, top: Item, http: httpx2.AsyncClient) -> None:
    double.tree.picture("one.jpg", top, extra={"size": "large"})
    assert (await http.get(LIST, params=in_folder(top, fields="files/size"))).status_code == 500
    assert "FileList.files[].size is 'large'" in double.behaviour.violations[0]


async def test_only_the_fields_that_were_asked_for(double: DriveDouble, top: Item, http: httpx2.AsyncClient) -> None:
    picture = double.tree.picture("one.jpg", top)
    for fields, told in {
        "files(id,capabilities/canDownload)": {"files": [{"id": picture.id, "capabilities": {"canDownload": True}}]},
        "nextPageToken, files/name": {"files": [{"name": "one.jpg"}]},
        "kind": {"kind": "drive#fileList"},
    }.items():
        assert (await http.get(LIST, params=in_folder(top, fields=fields))).json() == told
    assert (await http.get(f"{LIST}/{picture.id}")).json() == {
        "kind": "drive#file", "id": picture.id, "name": "one.jpg", "mimeType": "image/jpeg",
    }  # fmt: skip
    assert double.behaviour.violations == []


async def test_cursors_are_never_the_same_and_good_for_their_query(
    double: DriveDouble, top: Item, http: httpx2.AsyncClient
) -> None:
    double.tree.pictures(7, top)
    first, again = [(await http.get(LIST, params=in_folder(top))).json()["nextPageToken"] for _ in range(2)]
    assert first != again
    assert len((await http.get(LIST, params=in_folder(top, pageToken=first))).json()["files"]) == 2
    other = double.tree.folder("Other", shared=ANYONE)
    refused = await http.get(LIST, params=in_folder(other, pageToken=first))
    assert (refused.status_code, reason(refused)) == (400, "invalid")
    assert refused.json()["error"]["errors"][0]["location"] == "pageToken"


async def test_a_shared_drive_is_seen_by_those_who_ask_for_it(double: DriveDouble, http: httpx2.AsyncClient) -> None:
    drive = double.tree.shared_drive("Marketing", "ada@example.com")
    double.tree.picture("one.jpg", drive)
    token = {"Authorization": f"Bearer {double.accounts.token('ada@example.com')}"}
    assert (await http.get(LIST, params=in_folder(drive), headers=token)).status_code == 404
    supported = in_folder(drive, supportsAllDrives="true")
    assert (await http.get(LIST, params=supported, headers=token)).json()["files"] == []
    both = {**supported, "includeItemsFromAllDrives": "true"}
    assert len((await http.get(LIST, params=both, headers=token)).json()["files"]) == 1
    assert (await http.get(f"/drive/v3/drives/{drive.id}")).status_code == 404


async def test_who_calls(double: DriveDouble, top: Item, http: httpx2.AsyncClient) -> None:
    path = f"{LIST}/{top.id}"
    unknown = await http.get(path, headers={"X-Goog-Api-Key": "unknown"})
    assert unknown.json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    http.headers.pop("X-Goog-Api-Key")
    assert (await http.get(path)).status_code == 403
    assert (await http.get(path, params={"key": API_KEY})).status_code == 200
    for header in ("Bearer unknown", "Basic eA=="):
        refused = await http.get(path, headers={"Authorization": header})
        assert (refused.status_code, reason(refused)) == (401, "authError")
        assert "www-authenticate" in refused.headers


@pytest.mark.parametrize(
    ("form", "violates"),
    [
        ({"grant_type": "password", "username": "x"}, True),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, True),
        ({"grant_type": JWT_GRANT, "assertion": "x", "more": "y"}, True),
        ({"grant_type": JWT_GRANT, "assertion": "x"}, False),
        ({"grant_type": "refresh_token", "refresh_token": "x", "client_id": "y", "client_secret": "z"}, False),
    ],
)
async def test_grants(double: DriveDouble, http: httpx2.AsyncClient, form: dict[str, str], violates: bool) -> None:
    response = await http.post("/token", data=form)
    assert response.status_code == 400
    assert response.json()["error"] == ("invalid_request" if violates else "invalid_grant")
    assert bool(double.behaviour.violations) is violates


async def test_a_grant_is_a_form(double: DriveDouble, http: httpx2.AsyncClient) -> None:
    assert (await http.post("/token", json={"grant_type": "refresh_token"})).status_code == 400
    assert double.behaviour.violations == ["token: the body is no form"]


async def test_ranges(double: DriveDouble, top: Item, http: httpx2.AsyncClient) -> None:
    file = double.tree.file("ten.bin", top, b"0123456789", "application/octet-stream")
    for asked, told, content in [
        ("bytes=2-4", "bytes 2-4/10", b"234"),
        ("bytes=7-", "bytes 7-9/10", b"789"),
        ("bytes=7-99", "bytes 7-9/10", b"789"),
    ]:
        response = await http.get(f"{LIST}/{file.id}", params={"alt": "media"}, headers={"Range": asked})
        assert (response.status_code, response.headers["content-range"], response.content) == (206, told, content)


async def test_it_is_told_what_to_do_wrong_over_http(double: DriveDouble, top: Item, http: httpx2.AsyncClient) -> None:
    fault = {"kind": "rate_limited", "call": "drive.files.get", "about": "Top", "retry_after": 7}
    assert (await http.put("/_double/faults", content=json.dumps([fault]))).status_code == 204
    assert (await http.get(LIST, params=in_folder(top))).status_code == 200
    refused = await http.get(f"{LIST}/{top.id}")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    assert (await http.get("/_double/requests")).json() == [
        {"call": "drive.files.list", "about": top.id},
        {"call": "drive.files.get", "about": top.id},
    ]
    assert (await http.get("/_double/violations")).json() == []


async def test_a_fault_may_be_about_the_first_page_again(
    double: DriveDouble, top: Item, http: httpx2.AsyncClient
) -> None:
    made = [item.id for item in double.tree.pictures(6, top)]
    double.behaviour.misbehave(Fault(kind="repeated_page"))
    listed: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await http.get(LIST, params=in_folder(top, **cursor))).json()
        listed += [file["id"] for file in page["files"]]
        if "nextPageToken" not in page:
            break
        cursor = {"pageToken": page["nextPageToken"]}
    assert listed == made[:5] + made


def test_an_item_has_no_other_properties(double: DriveDouble, top: Item) -> None:
    with pytest.raises(TypeError, match="an item has no 'sahred'"):
        double.tree.picture("one.jpg", top, sahred=ANYONE)

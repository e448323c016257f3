"""No route gives anything of an owner to another. All routes of the application are walked, so a new one cannot be
forgotten: it fails here until it is told what to do with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
from fastapi.routing import APIRoute
from tests.integration.gateway.support import Gateway, change, upload
from tests.integration.gateway.uploads.tus.support import BYTES, VERSION, metadata

from heliograph_common.db.engine import Database
from heliograph_gateway.app import ROUTERS
from heliograph_gateway.meta import routes as meta

ROUTES = [
    (method, route.path_format)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]
PUBLIC = {route.path for route in meta.router.routes if isinstance(route, APIRoute)}
POLLED = {"/health", "/api/health", "/api/queue/status"}
"""By orchestrators, without a token: states and counts, which name nobody."""
TUS = "/v1/uploads/tus"
SPOKEN = {**VERSION, **BYTES, "Upload-Offset": "0"}  # without these tus routes refuse whoever calls
ADMIN_ONLY = {
    ("GET", "/v1/dead-letters"),
    ("GET", "/v1/dead-letters/{letter_id}"),
    ("POST", "/v1/dead-letters/{letter_id}/replay"),
    ("DELETE", "/v1/dead-letters/{letter_id}"),
    ("GET", "/v1/quarantine"),
    ("POST", "/v1/quarantine/{message_id}/release"),
    ("DELETE", "/v1/quarantine/{message_id}"),
    ("GET", "/v1/admin/checks"),
    ("POST", "/v1/admin/checks"),
    ("GET", "/v1/admin/checks/{check_id}"),
    ("POST", "/v1/admin/checks/{check_id}/cancel"),
    ("PUT", "/v1/settings/display-sizes"),
    ("POST", "/v1/settings/display-sizes/apply"),
    ("GET", "/v1/settings/display-sizes/progress"),
}
OWN = {
    ("GET", "/v1/images"),
    ("GET", "/v1/imports"),
    ("GET", "/v1/analyses/usage"),
    ("GET", "/v1/queue"),
    ("GET", "/v1/settings/display-sizes"),
    ("GET", "/images"),
    ("GET", "/v1/vocabulary"),
    ("GET", "/task/{task_id}"),  # of a task that is someone else's it tells what it tells of none
}
SHARED = {
    ("GET", "/v1/words"),
    ("GET", "/v1/words/{word_id}"),
    ("GET", "/v1/words/{word_id}/image"),
    ("POST", "/v1/words/{word_id}/image"),
    ("DELETE", "/v1/words/{word_id}/image"),
    ("GET", "/v1/words/stats"),
    ("POST", "/v1/words/sync"),
    ("PUT", "/v1/words"),
    ("DELETE", "/v1/words/{word_id}"),
    ("PUT", "/v1/vocabulary/{word_id}"),
    ("DELETE", "/v1/vocabulary/{word_id}"),
    ("POST", "/api/images/populate-queue"),
    ("GET", "/api/words/{word_id}/image"),
    ("POST", "/api/images/search"),
    ("POST", "/api/images/cache/clear"),
    ("GET", "/api/images/cache/stats"),
    ("GET", "/api/images/background/status"),
}
"""Words are everybody's; whose vocabulary they are in is told to its owner only."""
CREATES = {
    ("POST", "/v1/images"),
    ("POST", "/v1/uploads"),
    ("POST", "/v1/uploads/batch"),
    ("POST", "/v1/uploads/batch/complete"),
    ("POST", "/v1/imports"),
    ("POST", "/v1/analyses"),
    ("POST", "/analyze-food"),
    ("POST", "/api/images/upload"),
    ("POST", "/import/google-drive"),
    ("POST", "/import/dropbox"),
    ("POST", TUS),
}

FOLDER = {"source": "google_drive", "url": "https://drive.google.com/drive/folders/anns-secret-folder"}
NOBODYS = "01890000-0000-7000-8000-000000000000"


def _path(template: str, image_id: str, upload_id: str, tus_id: str, import_id: str, analysis_id: str) -> str:
    upload = tus_id if template.startswith(TUS) else upload_id
    ids = {
        "image_id": image_id,
        "task_id": image_id,
        "upload_id": upload,
        "import_id": import_id,
        "analysis_id": analysis_id,
        "name": "original",
        "word_id": "anns-word",
        "letter_id": "1",
        "message_id": NOBODYS,
        "check_id": NOBODYS,
    }
    return template.format_map(ids)


def _protected() -> Iterator[tuple[str, str]]:
    """All routes but those that tell anyone the same: pages, and what the server can do."""
    return ((method, path) for method, path in ROUTES if path not in PUBLIC | POLLED and method != "OPTIONS")


async def test_another_owner_gets_nothing(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, picture: Callable[..., bytes]
) -> None:
    image = await upload(ann, picture(), name="anns secret.png")
    announced = {"name": "anns secret.png", "bytes": 7, "sha256": "5" * 64}
    direct = (await ann.post("/v1/uploads", json=announced)).json()
    tus = (await ann.post(TUS, headers={**VERSION, "Upload-Length": "7", **metadata(name="anns secret.png")})).headers
    tus_id = tus["location"].rpartition("/")[2]
    imported = (await ann.post("/v1/imports", json=FOLDER)).json()
    analysis = (await ann.post("/v1/analyses", json={"image_id": image["id"]})).json()
    image = (await ann.get(f"/v1/images/{image['id']}")).json()
    for method, path in _protected():
        asked = _path(path, image["id"], direct["id"], tus_id, imported["id"], analysis["id"])
        answer = await bob.request(method, asked, headers=SPOKEN if path.startswith(TUS) else {})
        route = f"{method} {path}"
        if any(f"{{{name}}}" in path for name in ("image_id", "upload_id", "import_id", "analysis_id")):
            assert answer.status_code == 404, route
        elif (method, path) in ADMIN_ONLY:
            assert answer.status_code == 403, route
        elif (method, path) in OWN:
            assert answer.status_code == 200, route
        else:
            assert (method, path) in CREATES | SHARED, f"say in this test what {route} may show to whom"
        own = [
            each for each in (image["id"], direct["id"], tus_id, imported["id"], analysis["id"]) if each not in asked
        ]
        secrets = ["anns secret", "anns-secret", image["sha256"], "5" * 64, *own]
        assert not [secret for secret in secrets if secret in answer.text], route
        unchanged: dict[str, Any] = (await ann.get(f"/v1/images/{image['id']}")).json()
        assert unchanged == image, route
        still_open = (await ann.get(f"/v1/uploads/{direct['id']}")).json()
        assert still_open["state"] == "open", route
        assert (await ann.get(tus["location"])).json()["offset"] == 0, route
        assert (await ann.get(f"/v1/imports/{imported['id']}")).json() == imported, route
        assert (await ann.get(f"/v1/analyses/{analysis['id']}")).json() == analysis, route


async def test_what_looks_alike_is_looked_for_among_ones_own(
    ann: httpx2.AsyncClient, bob: httpx2.AsyncClient, db: Database, picture: Callable[..., bytes]
) -> None:
    anns, bobs = await upload(ann, picture()), await upload(bob, picture())
    for image in (anns, bobs):
        await change(db, image["id"], phash=7)

    assert (await bob.get(f"/v1/images?near={anns['id']}")).status_code == 404
    for distance in (0, 8, 16):
        assert (await ann.get(f"/v1/images?near={anns['id']}&distance={distance}")).json()["images"] == []


async def test_without_a_token_there_is_nothing(gateway: Gateway) -> None:
    async with gateway.client(token="") as anyone:
        for method, path in _protected():
            answer = await anyone.request(method, _path(path, *[NOBODYS] * 5), headers=VERSION)
            assert answer.status_code == 401, f"{method} {path}"


async def test_an_administrator_is_no_owner(
    ann: httpx2.AsyncClient, admin: httpx2.AsyncClient, picture: Callable[..., bytes]
) -> None:
    image = await upload(ann, picture())

    assert (await admin.get(f"/v1/images/{image['id']}")).status_code == 404
    assert (await admin.get("/v1/images")).json()["images"] == []

"""The fake server's imports. One is further each time that it is read: ``queued``, ``running``, and then at its end."""

from __future__ import annotations

import json
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from tests.unit.client.fake_answers import TIME, problem

_STATES = ("found", "queued", "fetching", "imported", "unchanged", "skipped", "failed", "canceled")


class FakeImports:
    """``ends`` is the end of imports that are read; ``requests`` are the bodies that they were begun with."""

    ROUTES = (
        ("POST", "/v1/imports", "start"),
        ("GET", "/v1/imports", "list_imports"),
        ("GET", "/v1/imports/{import_id}", "get"),
        ("GET", "/v1/imports/{import_id}/files", "list_files"),
        ("POST", "/v1/imports/{import_id}/cancel", "cancel"),
        ("POST", "/v1/imports/{import_id}/retry", "retry"),
    )

    def __init__(self) -> None:
        self.all: dict[str, dict[str, Any]] = {}
        self.files: dict[str, list[dict[str, Any]]] = {}
        self.requests: list[dict[str, Any]] = []
        self.page_size = 2
        self.ends: dict[str, Any] = {"status": "completed"}

    def add(self, source: str = "google_drive", status: str = "queued", **more: Any) -> dict[str, Any]:
        """Puts an import in, newest last."""
        import_id = str(uuid.uuid4())
        path = f"/v1/imports/{import_id}"
        self.files[import_id] = []
        self.all[import_id] = {
            "id": import_id, "revision": 1, "source": source, "url": None, "name": "Holidays", "status": status,
            "recursive": True, "analyze": "", "credential": None, "counts": counts(), "progress": 0,
            "listing": {"complete": False, "folders": 1, "pages": 1, "pages_listed": 0, "errors": []},
            "bytes": {"found": 0, "imported": 0}, "rate": {"files_per_second": None, "bytes_per_second": None},
            "remaining_seconds": None, "waiting": None, "error": None, "created_at": TIME, "started_at": None,
            "finished_at": None, "links": {"self": path, "files": f"{path}/files"},
        } | more  # fmt: skip
        return self.all[import_id]

    def add_file(self, import_id: str, status: str = "imported", **more: Any) -> dict[str, Any]:
        """Puts a file into an import, last."""
        file_id, number = str(uuid.uuid4()), len(self.files[import_id])
        file = {
            "id": file_id, "name": f"{number}.jpg", "path": f"sub/{number}.jpg", "status": status, "bytes": 1000,
            "mime_type": "image/jpeg", "code": None, "reason": None, "attempts": 1, "image_id": None,
            "finished_at": TIME, "links": {},
        } | more  # fmt: skip
        self.files[import_id].append(file)
        return file

    def start(self, _request: Request, body: bytes) -> Response:
        asked = json.loads(body)
        self.requests.append(asked)
        if "nowhere" in (asked.get("url") or ""):
            return problem(422, "invalid-body", "`/url`: Not a link to a folder.", errors=[])
        kept = {name: asked[name] for name in ("url", "recursive", "analyze", "credential") if name in asked}
        made = self.add(asked["source"], name="", **kept)
        return JSONResponse(made, 202, {"Location": made["links"]["self"]})

    def list_imports(self, request: Request, _body: bytes) -> Response:
        found = [
            each
            for each in reversed(self.all.values())
            if request.query_params.get("status") in {None, each["status"]}
            and request.query_params.get("source") in {None, each["source"]}
        ]
        return self._page(request, "imports", found)

    def list_files(self, request: Request, _body: bytes) -> Response:
        files = self.files[request.path_params["import_id"]]
        status = request.query_params.get("status")
        return self._page(request, "files", [each for each in files if status in {None, each["status"]}])

    def get(self, request: Request, _body: bytes) -> Response:
        found = self.all[request.path_params["import_id"]]
        answer = JSONResponse(found, headers={"ETag": '"1"'})
        if found["status"] == "queued":
            found |= {"status": "running", "name": "Holidays", "progress": 50, "started_at": TIME}
            found |= {"counts": counts(found=4, imported=2, queued=1, fetching=1), "remaining_seconds": 7.0}
            found |= {"rate": {"files_per_second": 2.5, "bytes_per_second": 1e6}}
        elif found["status"] == "running":
            done = counts(found=4, imported=4)
            found |= {"progress": 100, "finished_at": TIME, "counts": done, "remaining_seconds": None, **self.ends}
            found["listing"] = {**found["listing"], "complete": True}
        return answer

    def cancel(self, request: Request, _body: bytes) -> Response:
        found = self.all[request.path_params["import_id"]]
        if found["status"] not in {"queued", "running"}:
            return problem(409, "conflict", f"The import is {found['status']}.")
        found |= {"status": "canceled", "finished_at": TIME, "progress": 100}
        return JSONResponse(found)

    def retry(self, request: Request, body: bytes) -> Response:
        found = self.all[request.path_params["import_id"]]
        self.requests.append(json.loads(body) if body else {})
        if found["status"] == "completed" and not found["counts"]["failed"]:
            return problem(409, "conflict", "No file or folder of it has failed.")
        found |= {"status": "running", "finished_at": None, "progress": 50}
        return JSONResponse(found, 202)

    def _page(self, request: Request, name: str, found: list[dict[str, Any]]) -> Response:
        start = int(request.query_params.get("cursor", 0))
        end = start + min(int(request.query_params["limit"]), self.page_size)
        more = f"{request.url.path}?limit=2&cursor={end}" if end < len(found) else None
        return JSONResponse({name: found[start:end], "next": more})


def counts(**known: int) -> dict[str, int]:
    """Counts of an import; those that are not named are 0."""
    return dict.fromkeys(_STATES, 0) | known

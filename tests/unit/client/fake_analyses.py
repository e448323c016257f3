"""The fake server's analyses. One is further each time that it is read: ``queued``, ``running``, and then at its end."""

from __future__ import annotations

import json
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from tests.unit.client.fake_answers import TIME, problem

MEAL = {
    "isFood": True, "name": "Made up: lentil soup", "calories": 410, "ingredients": ["lentils", "carrots"],
    "confidence": 0.92,
}  # fmt: skip
SCENE = {"caption": "Made up: boats in a harbour", "altText": "Made up: four boats", "tags": ["made-up", "boats"]}
USED = {"calls": 1, "input_tokens": 1400, "output_tokens": 180, "cost_usd": 0.0018}


class FakeAnalyses:
    """``ends`` is the end of analyses that are read; ``requests`` is what was asked: the body or the form, the query
    and the preference. Unless it
    ``moves``, an analysis stays as it is. ``usage`` is the report of what was used."""

    ROUTES = (
        ("POST", "/v1/analyses", "analyze"),
        ("GET", "/v1/analyses/usage", "report"),
        ("GET", "/v1/analyses/{analysis_id}", "get"),
        ("GET", "/v1/images/{image_id}/analyses", "list_analyses"),
    )

    def __init__(self) -> None:
        self.all: dict[str, dict[str, Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self.missing: set[str] = set()
        self.ends: dict[str, Any] = {"status": "completed", "result": MEAL, "source": "api", "usage": USED}
        self.begins: dict[str, Any] = {}
        self.moves = True
        self.usage = report()

    def add(self, image_id: str, profile: str, **more: Any) -> dict[str, Any]:
        """Puts an analysis in, newest last."""
        analysis_id = str(uuid.uuid4())
        self.all[analysis_id] = {
            "id": analysis_id, "image_id": image_id, "profile": profile, "status": "queued", "result": None,
            "source": None, "model": "a-model", "profile_version": None,
            "usage": {"calls": 0, "input_tokens": 0, "output_tokens": 0, "cost_usd": None},
            "error": None, "waiting": None, "created_at": TIME, "started_at": None, "completed_at": None,
        } | self.begins | more  # fmt: skip
        return self.all[analysis_id]

    def analyze(self, request: Request, body: bytes) -> Response:
        prefer = request.headers.get("prefer")
        if request.headers["content-type"] == "application/json":
            asked = json.loads(body)
        else:
            asked = {**request.query_params, "form": body}
        self.requests.append({**asked, "prefer": prefer})
        if asked["profile"] == "unknown":
            return problem(422, "invalid-body", "`/profile`: Must be one of describe, food", errors=[])
        if asked.get("image_id") in self.missing:
            return problem(404, "not-found", "There is no such image.")
        found = self.add(asked.get("image_id", str(uuid.uuid4())), asked["profile"])
        if prefer is not None:
            found |= {**self.ends, "completed_at": TIME}
            return JSONResponse(found, 200, {"Preference-Applied": prefer})
        return JSONResponse(found, 202, {"Location": f"/v1/analyses/{found['id']}", "Retry-After": "1"})

    def get(self, request: Request, _body: bytes) -> Response:
        found = self.all[request.path_params["analysis_id"]]
        answer = JSONResponse(found, headers={"ETag": '"1"'})
        if not self.moves:
            return answer
        if found["status"] == "queued":
            found |= {"status": "running", "started_at": TIME, "waiting": None}
        elif found["status"] == "running":
            found |= {"completed_at": TIME, **self.ends}
        return answer

    def list_analyses(self, request: Request, _body: bytes) -> Response:
        image_id = request.path_params["image_id"]
        if image_id in self.missing:
            return problem(404, "not-found", "There is no such image.")
        found = [each for each in self.all.values() if each["image_id"] == image_id]
        return JSONResponse({"analyses": found}, headers={"ETag": '"1"'})

    def report(self, request: Request, _body: bytes) -> Response:
        self.requests.append(dict(request.query_params))
        return JSONResponse(self.usage, headers={"ETag": '"1"'})


def report(**more: Any) -> dict[str, Any]:
    """What was used on two days."""
    used = {"calls": 40, "cache_hits": 60, "input_tokens": 56_400, "output_tokens": 7_200, "cost_usd": 0.072}
    days = [
        {"day": day, "profile": "food", "model": "a-model", **used, "unpriced_calls": 0}
        for day in ("2026-11-21", "2026-11-20")
    ]
    total = {name: value * 2 for name, value in used.items()} | {"unpriced_calls": 0}
    return {"owner": "ann", "first_day": "2026-11-01", "last_day": "2026-11-30", "days": days, "total": total} | more

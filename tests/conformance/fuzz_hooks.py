"""Loaded by schemathesis, in ``.venv-conformance``: counts what was tried, adds one check, and knows the excuses."""

from __future__ import annotations

import atexit
import json
import os
import uuid
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import schemathesis
from tests.conformance.excuses import EXCUSES

_PROBLEM = "application/problem+json"
_KEY = "Idempotency-Key"
_FOLDERS = {
    "google_drive": "https://drive.google.com/drive/folders/1dyUEebJaFnWa3Z4n0BFMVAXQ7mfUH11g",
    "dropbox": "https://www.dropbox.com/sh/0b9x2ql8v3p5r1t/AAB2cdef?dl=0",
}
_counter: Counter[str] = Counter()

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")

operations: dict[str, str] = {}
requests: dict[str, Counter[str]] = defaultdict(Counter)
excused: dict[str, Counter[str]] = defaultdict(Counter)


def _operation_id(case: Any) -> str:
    return str(case.operation.definition.raw.get("operationId", case.operation.label))


def _problem(response: Any) -> dict[str, Any]:
    if not response.headers.get("content-type", [""])[0].startswith(_PROBLEM):
        return {}
    found = json.loads(response.content or b"{}")
    return found if isinstance(found, dict) else {}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Makes sound requests such as can succeed, which no schema can: a new key for every request, as the API asks, in most
    of them no made-up cursor, and a profile that there is."""
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return
    if case.headers and _KEY in case.headers:
        case.headers[_KEY] = uuid.uuid4().hex
    if case.query:
        _mend_query(case)
    if isinstance(case.body, dict) and case.media_type == "application/json":
        for each in (case.body, *_dicts(case.body.get("files"))):
            if "analyze" in each:
                each["analyze"] = "food"
        _mend_import(case.body)


def _mend_import(body: dict[str, Any]) -> None:
    """In most requests a link that is one, and the fields that go with the source."""
    if "source" not in body and "folder_url" not in body:
        return
    _counter["import"] += 1
    if _counter["import"] % 4 == 0:
        return
    if "folder_url" in body:
        body["folder_url"] = _FOLDERS["google_drive" if _counter["import"] % 2 else "dropbox"]
    elif body["source"] in _FOLDERS:
        body.pop("urls", None)
        body["url"] = _FOLDERS[body["source"]]
    else:
        body.pop("url", None)
        body["urls"] = ["https://pictures.example/a.jpg"]
    body.pop("credential" if body.get("authorization") else "authorization", None)


def _mend_query(case: Any) -> None:
    _counter["query"] += 1
    if _counter["query"] % 4:
        case.query.pop("cursor", None)
        if "near" not in case.query:
            case.query.pop("distance", None)
        if "analyze" in case.query:
            case.query["analyze"] = "food"


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Counts the answer."""
    operations[case.operation.label] = _operation_id(case)
    requests[_operation_id(case)][str(response.status_code)] += 1


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether it stays a failure."""
    slug = str(_problem(response).get("type")).removeprefix("/problems/")
    text = f"{failure.message}\n{response.content.decode(errors='replace')}"
    for excuse in EXCUSES:
        if excuse.fits(_operation_id(case), type(failure).__name__, (slug, response.status_code), text):
            excused[_operation_id(case)][excuse.reason] += 1
            return False
    return True


@schemathesis.check
def problem_is_documented(ctx: Any, response: Any, case: Any) -> None:
    """A problem's kind is one that the document names for this operation and status, and its page is there."""
    problem = _problem(response)
    documented = case.operation.definition.raw.get("responses", {}).get(str(response.status_code))
    if not problem or documented is None:
        return
    slugs = documented.get("content", {}).get(_PROBLEM, {}).get("examples", {})
    slug = str(problem.get("type")).removeprefix("/problems/")
    if slug == "unknown-route":  # what schemathesis put into the path makes it another one
        return
    assert slug in slugs, f"{problem.get('type')} is not documented for {response.status_code}: {problem.get('detail')}"


def _write() -> None:
    counted = {"operations": operations, "requests": requests, "excused": excused}
    Path(os.environ["CONFORMANCE_COUNTS"]).write_text(json.dumps(counted))


atexit.register(_write)

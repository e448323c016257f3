"""The double is held to the types that Unsplash publishes: a request or an answer that they do not have is caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from scripts import unsplash_schema

from heliograph_local.doubles.unsplash import UnsplashDouble, resources, schema
from heliograph_local.doubles.unsplash.photos import Kind, Photo
from heliograph_local.doubles.unsplash.schema import DOWNLOAD, PHOTO, SEARCH, InvalidAnswer
from heliograph_local.doubles.unsplash.subjects import SUBJECTS

BASE = "http://127.0.0.1:1/unsplash"
LIMITS = {"X-Ratelimit-Limit": 50, "X-Ratelimit-Remaining": 49}
BAD = 'default: { content: { "application/json": { errors: string[] }; }; };'
TYPES = f"""
export interface paths {{
  "/search/photos": {{ get: {{
    parameters: {{ query: {{ page?: components["parameters"]["page"]; by?: "a" | "b"; }}; }};
    responses: {{ 200: components["responses"]["Feed"]; {BAD} }};
  }}; }};
  "/photos/{{assetSlug}}": {{ get: {{
    parameters: {{ query?: never; }};
    responses: {{
      200: {{
        headers: {{ [name: string]: unknown; }};
        content: {{ "application/json": components["schemas"]["Full"]; }};
      }};
      {BAD}
    }};
  }}; }};
  "/photos/{{id}}/download": {{ get: {{
    parameters: {{ query?: never; }};
    responses: {{
      200: {{
        headers: {{ Link: string; [name: string]: unknown; }};
        content: {{ "application/json": {{ /** Format: uri */url: string; }}; }};
      }};
      {BAD}
    }};
  }}; }};
}}
interface components {{
  schemas: {{
    Id: string;
    Basic: {{ id: components["schemas"]["Id"]; /** @description A note;
      with more. Format: date-time */ at?: string | null; }};
    Full: components["schemas"]["Basic"] & {{ tags: (components["schemas"]["Tag"] & Record<string, never>)[]; }};
    Tag: Record<string, never>;
    Unused: number;
  }};
  responses: {{ Feed: {{
    headers: {{ [name: string]: unknown; }};
    content: {{ "application/json": components["schemas"]["Basic"][]; }};
  }}; }};
  parameters: {{ page: number; }};
}}
"""


def photo(kind: Kind = Kind.LANDSCAPE) -> Photo:
    """One of those."""
    return Photo(SUBJECTS[0], kind, 4711)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_photo_is_what_unsplash_publishes(kind: Kind) -> None:
    for subject in SUBJECTS:
        each = Photo(subject, kind, 7_654_321)
        assert Photo.of(each.id) == each
        schema.answer(PHOTO, resources.full(each, BASE), LIMITS)


def test_ids_of_nothing() -> None:
    for wrong in ("", "x", "random", "A" * 11, photo().id[:-1], photo().id + "A", "Ä" * 11, "-" * 11):
        assert Photo.of(wrong) is None


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda told: told.pop("user"), "'user' is a required property"),
        (lambda told: told.update(alt_description="a dog"), "'alt_description' was unexpected"),
        (lambda told: told["urls"].update(small_s3="https://example.org"), "'small_s3' was unexpected"),
        (lambda told: told.update(width="2400"), "$.width"),
        (lambda told: told.update(created_at="yesterday"), "'yesterday' is not a 'date-time'"),
        (lambda told: told["urls"].update(raw="/files/1.jpg"), "is not a 'uri'"),
        (lambda told: told.update(description=5), "$.description"),
        (lambda told: told.update(tags=[{"title": 1}]), "$.tags[0]"),
        (lambda told: told["user"].pop("name"), "$.user"),
    ],
)
def test_a_wrong_answer_is_caught(change: Callable[[dict[str, Any]], object], what: str) -> None:
    told = resources.full(photo(), BASE)
    schema.answer(PHOTO, told, LIMITS)
    change(told)
    with pytest.raises(InvalidAnswer) as caught:
        schema.answer(PHOTO, told, LIMITS)
    assert what in str(caught.value)


def test_wrong_headers_and_errors_are_caught() -> None:
    with pytest.raises(InvalidAnswer, match="the headers of download"):
        schema.answer(DOWNLOAD, {"url": "https://example.org/1.jpg"}, {"X-Ratelimit-Limit": 50})
    with pytest.raises(InvalidAnswer, match="the headers of search"):  # Link
        schema.answer(SEARCH, {"total": 0, "total_pages": 0, "results": []}, LIMITS)
    wrong: Any = [401]
    with pytest.raises(InvalidAnswer, match="the error of photo"):
        schema.error(PHOTO, wrong)


async def test_the_double_sees_its_own_wrong_answer(
    client: httpx2.AsyncClient, double: UnsplashDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "full", lambda *_: {"id": "one"})
    answer = await client.get(f"/photos/{photo().id}")
    assert answer.status_code == 500
    assert "the answer of photo" in double.behaviour.violations[0]


async def test_what_the_types_do_not_name_is_sent_only_on_request(
    client: httpx2.AsyncClient, double: UnsplashDouble
) -> None:
    plain = (await client.get("/search/photos?query=premium apple")).json()["results"][0]
    double.unpublished = True
    [more, *_] = (await client.get("/search/photos?query=premium apple")).json()["results"]
    assert plain.items() < more.items()
    assert (more["alt_description"], more["premium"], more["plus"]) == ("red apple on a wooden table", True, True)
    assert (await client.get(f"/photos/{photo().id}")).json()["premium"] is False


def test_types_become_a_schema() -> None:
    made = unsplash_schema.schema(TYPES)
    assert made["calls"]["search"]["query"] == {
        "type": "object",
        "properties": {"page": {"type": "number"}, "by": {"enum": ["a", "b"]}},
        "required": [],
        "additionalProperties": False,
    }
    assert made["calls"]["search"]["answer"] == {"type": "array", "items": {"$ref": "#/$defs/Basic"}}
    assert made["calls"]["search"]["headers"]["additionalProperties"] is True
    assert made["calls"]["photo"]["query"]["properties"] == {}
    assert made["calls"]["download"]["answer"]["properties"] == {"url": {"type": "string", "format": "uri"}}
    assert made["$defs"].keys() == {"Basic", "Full", "Id"}
    assert made["$defs"]["Full"]["required"] == ["id", "tags"]
    assert made["$defs"]["Full"]["properties"]["at"]["format"] == "date-time"
    assert made["$defs"]["Full"]["properties"]["tags"]["items"]["properties"] == {}


def test_the_committed_schema_names_its_package() -> None:
    committed = schema.document()
    assert (committed["$comment"], committed["integrity"]) == (unsplash_schema.NOTE, unsplash_schema.INTEGRITY)
    assert {name: call["path"] for name, call in committed["calls"].items()} == unsplash_schema.CALLS

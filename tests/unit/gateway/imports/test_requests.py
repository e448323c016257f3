"""What requests want imported, without servers; ``tests/integration/gateway/imports/test_starting.py`` has all refusals."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from heliograph_common.contracts.links.registry import LINKS, SOURCES
from heliograph_common.http.problems import Problem
from heliograph_gateway.imports.requests import is_of_token, token_budget, wanted
from heliograph_gateway.imports.schemas import Authorization, ImportRequest

LINK = "https://drive.google.com/drive/folders/1dyUEebJaFnWa3Z4n0BFMVAXQ7mfUH11g"


def asked(**fields: Any) -> ImportRequest:
    return ImportRequest.model_validate({"source": "google_drive", "url": LINK, **fields})


def test_columns_of_a_folder() -> None:
    columns = wanted(asked(), profiles=(), max_urls=1).columns()
    assert columns["location"] == LINKS["google_drive"](LINK)
    assert (columns["budget"], columns["urls"], columns["analysis_profile"]) == ("google_drive:default", None, None)
    assert wanted(asked(credential="team"), profiles=(), max_urls=1).columns()["budget"] == "google_drive:team"


def test_a_budget_tells_tokens_apart_and_shows_none() -> None:
    tokens = [
        Authorization.model_validate(each)
        for each in (
            {"access_token": "one", "refresh_token": "secret"},
            {"access_token": "two", "refresh_token": "secret"},
            {"access_token": "one"},
        )
    ]
    first, refreshed, other = (token_budget("dropbox", token) for token in tokens)
    assert first == refreshed, "an access token changes with each refresh"
    assert first != other
    assert first.startswith("dropbox:token:")
    assert len(first.rpartition(":")[2]) == 16
    assert is_of_token(first)
    assert not is_of_token("dropbox:token")


def test_all_that_is_wrong_with_a_list_is_named_up_to_a_bound() -> None:
    request = ImportRequest(source="urls", urls=[f"ftp://example.com/{number}" for number in range(50)])
    with pytest.raises(Problem) as refused:
        wanted(request, profiles=(), max_urls=100)
    assert [error["pointer"] for error in refused.value.extra["errors"]] == [f"/urls/{number}" for number in range(20)]


def test_every_source_is_documented() -> None:
    assert ImportRequest.model_json_schema()["properties"]["source"]["enum"] == list(SOURCES)


def test_secrets_are_not_shown() -> None:
    token = Authorization.model_validate({"access_token": "secret", "client_secret": "secret"})
    assert "secret'" not in repr(asked(authorization=token.model_dump()))


@pytest.mark.parametrize("field", ["access_token", "refresh_token", "client_id", "client_secret"])
@pytest.mark.parametrize("value", ["\xe4bc", "a\nb", "abc\n", "a b", "a\x00", "a\x7f", ""])
def test_tokens_are_such_as_a_header_can_carry(field: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Authorization.model_validate({"access_token": "ya29.a0AfB_byC~/+=", field: value})
    assert [error["loc"] for error in refused.value.errors()] == [(field,)]


def test_the_characters_of_tokens_are_documented() -> None:
    properties = Authorization.model_json_schema()["properties"]
    assert properties["access_token"]["pattern"] == properties["client_id"]["anyOf"][0]["pattern"] == r"^[\x21-\x7e]+$"

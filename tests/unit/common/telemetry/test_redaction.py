from __future__ import annotations

import time
from typing import Any

import pytest

from heliograph_common.telemetry.redaction import HIDDEN, redact, redact_text

SECRET = "s3cr3t-Value/+=42"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        f"cannot connect to postgresql+psycopg://ann:{SECRET}@db:5432/x",
        "nats://s3cr3t-Value@nats:4222",
        f"GET http://s3/b/k?X-Amz-Credential=AK&X-Amz-Signature={SECRET}&x=1",
        f"GET /v1/events?token={SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"{{'password': '{SECRET}'}}",
        f'{{"secret_key": "{SECRET}"}}',
        f"host=db password={SECRET} user=ann",
        f"HELIOGRAPH_S3__SECRET_KEY={SECRET}",
    ],
)
def test_text_loses_its_secret_and_keeps_the_rest(text: str) -> None:
    hidden = redact_text(text)

    assert SECRET not in hidden
    assert "s3cr3t-Value" not in hidden
    assert HIDDEN in hidden
    assert hidden.startswith(text[:4])


@pytest.mark.parametrize(
    "text",
    [
        "work.render.high took 3.5 s for image 0198",
        "GET http://s3:8333/heliograph/originals/ab?x=1",
        "mail@example.org wrote about tokens",
        "the token is expired: get a new one from your issuer",
    ],
)
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert redact_text(text) == text


def test_long_hostile_text_is_quick() -> None:
    started = time.monotonic()
    for unit in ("a-", "://", "password", "eyJ", "?key=", "'password': '"):
        redact_text(unit * 20_000)
    assert time.monotonic() - started < 20


def test_a_jwt_is_hidden_wherever_it_stands() -> None:
    assert JWT not in redact_text(f"bad token {JWT} from client")


@pytest.mark.parametrize("key", ["password", "s3_secret_key", "Authorization", "access_token", "api-key", "set-cookie"])
def test_values_under_secret_keys_are_hidden_at_any_depth(key: str) -> None:
    assert redact({"a": [{key: SECRET, "n": 1}]}) == {"a": [{key: HIDDEN, "n": 1}]}


@pytest.mark.parametrize(
    "value", [ValueError(f"password={SECRET}"), f"password={SECRET}".encode(), (f"password={SECRET}",)]
)
def test_other_objects_become_redacted_text(value: Any) -> None:
    assert SECRET not in str(redact(value))

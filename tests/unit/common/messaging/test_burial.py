"""What a dead letter says about why it died."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from heliograph_common.errors import Permanent
from heliograph_common.messaging.burial import _letter


def _reason(message: str, cause: Exception | None = None, payload: bytes = b"{}") -> str:
    delivery: Any = SimpleNamespace(subject="work.x", headers={}, payload=payload, deliveries=1)
    error = Permanent(message)
    error.__cause__ = cause
    return _letter("importer", delivery, error).reason


def test_secrets_that_a_vendor_quotes_are_hidden() -> None:
    cause = ValueError(
        "Illegal header value b'Bearer ya29.geheim-token' of https://ann:geheim@example.com/?token=geheim"
    )
    assert "geheim" not in _reason("it failed", cause)
    assert "geheim" not in _reason(str(cause))
    assert "Illegal header value" in _reason("it failed", cause)


def test_a_token_with_characters_that_none_has_is_hidden() -> None:
    with pytest.raises(UnicodeEncodeError) as raised:
        "Bearer ya29.abcdef\xe4geheim".encode("ascii")
    assert "geheim" not in _reason("it failed", raised.value)


def test_a_secret_at_the_end_of_what_is_kept_is_hidden() -> None:
    for before in range(1_950, 2_000):
        assert "geheim" not in _reason("x" * before + " ?token=geheim" + "x" * 100)


def test_a_reason_is_printable_and_bounded() -> None:
    assert _reason("a\x00b\ud800c\n") == "a b c "
    assert len(_reason("x" * 1_000_000)) == 2_000
    reason = _reason("x" * 1_000_000, payload=b"x" * 200_000)
    assert len(reason) == 2_000
    assert reason.endswith("(of its 200,000 bytes only the first are kept)")

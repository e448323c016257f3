"""Secrets at rest: what is sealed opens with any of the keys, and with no other."""

from __future__ import annotations

import base64
import os

import pytest
from pydantic import SecretStr

from heliograph_common.auth.sealing import NoKeys, NotOpened, Sealer

TOKEN = {"access_token": "ya29.secret", "refresh_token": None, "expires_at": 1800000000.5}


def key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def sealer(*keys: str) -> Sealer:
    return Sealer(SecretStr(",".join(keys)))


def test_what_is_sealed_opens_and_does_not_show() -> None:
    own = sealer(key())
    sealed = own.seal(TOKEN)

    assert own.has_keys
    assert own.open(sealed) == TOKEN
    assert b"ya29" not in sealed
    assert own.seal(TOKEN) != sealed, "two of the same must not look the same"


def test_a_key_is_replaced_by_putting_the_new_one_first() -> None:
    old, new = key(), key()
    sealed_before = sealer(old).seal(TOKEN)
    both = sealer(new, f" {old} ")

    assert both.open(sealed_before) == TOKEN
    assert sealer(new).open(both.seal(TOKEN)) == TOKEN
    with pytest.raises(NotOpened, match="restore the key"):
        sealer(new).open(sealed_before)


def test_what_was_changed_does_not_open() -> None:
    own = sealer(key())
    sealed = own.seal(TOKEN)
    for wrong in (sealed[:-8] + b"AAAAAAA=", b"", b"no token"):
        with pytest.raises(NotOpened):
            own.open(wrong)


@pytest.mark.parametrize("keys", [None, SecretStr(""), SecretStr(" , ")])
def test_without_keys_nothing_is_sealed_or_opened(keys: SecretStr | None) -> None:
    none = Sealer(keys)
    assert not none.has_keys
    with pytest.raises(NoKeys, match="token_keys"):
        none.seal(TOKEN)
    with pytest.raises(NoKeys, match="token_keys"):
        none.open(b"x")


def test_a_wrong_key_is_told_by_its_place_and_not_shown() -> None:
    with pytest.raises(ValueError, match="key 2 of") as told:
        sealer(key(), "too-short")
    assert "too-short" not in str(told.value)

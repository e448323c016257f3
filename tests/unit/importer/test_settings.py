"""What the importer's settings make of what is pasted into them."""

from __future__ import annotations

import json

import pytest

from heliograph_importer.settings import CredentialSettings, DriveSettings, DropboxSettings


@pytest.mark.parametrize("around", ["", "\n", " \t\r\n"])
def test_white_space_around_credentials_is_dropped(around: str) -> None:
    value = f"{around}value{around}"
    drive = DriveSettings.model_validate(dict.fromkeys(("api_key", "client_id", "client_secret"), value))
    dropbox = DropboxSettings.model_validate(dict.fromkeys(("app_key", "app_secret"), value))
    kinds = {
        "api_key": ["key"],
        "app_key": ["key", "secret"],
        "oauth": ["access_token", "refresh_token", "client_id", "client_secret"],
    }
    given = {
        kind: {"source": "dropbox", "credential": {"kind": kind, **dict.fromkeys(fields, value)}}
        for kind, fields in kinds.items()
    }
    named = CredentialSettings.model_validate({"named": json.dumps(given)}).named
    found = [
        *(drive.api_key, drive.client_id, drive.client_secret, dropbox.app_key, dropbox.app_secret),
        *(getattr(named[kind].credential, each) for kind, fields in kinds.items() for each in fields),
    ]
    assert {each if isinstance(each, str) else each.get_secret_value() for each in found} == {"value"}

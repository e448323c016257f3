"""The credentials that the guide shows are such as the importer takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from heliograph_importer.settings import (
    CredentialSettings,
    NamedApiKey,
    NamedAppKey,
    NamedOAuthToken,
    NamedServiceAccount,
)

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "imports.md"


def test_the_credentials_of_the_guide_are_read() -> None:
    found = re.search(r"```json\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    named = CredentialSettings.model_validate({"named": found[1]}).named
    assert named == CredentialSettings.model_validate({"named": json.loads(found[1])}).named
    kinds = {type(each.credential) for each in named.values()}
    assert kinds == {NamedApiKey, NamedAppKey, NamedOAuthToken, NamedServiceAccount}
    assert {name: each.owners for name, each in named.items() if each.owners != ["*"]} == {"team-drive": ["ann", "bob"]}

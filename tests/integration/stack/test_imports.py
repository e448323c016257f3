"""An import without an account: the commands that `heliograph dev up --with-doubles` prints."""

from __future__ import annotations

import json
import re
import shlex

import httpx2
import pytest
from tests.integration.stack.support import Running

pytestmark = pytest.mark.xdist_group("stack")


def test_the_commands_that_are_printed_import_pictures(stack: Running) -> None:
    commands = re.findall(r"^ +heliograph (import .+)$", stack.said, re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["drive", "dropbox", "urls"]
    for command in commands:
        done = stack.cli(*shlex.split(command), "--json")
        ended = json.loads(done.stdout)
        assert ended["status"] == "completed", done.stdout
        assert ended["counts"]["imported"] >= 1
        assert ended["counts"]["failed"] == 0
    again = json.loads(stack.cli(*shlex.split(commands[0]), "--json").stdout)
    assert again["counts"]["imported"] == 0
    assert again["counts"]["unchanged"] >= 5


def test_what_was_asked_of_the_providers_matches_their_schemas(stack: Running) -> None:
    port = next(row["port"] for row in json.loads(stack.cli("dev", "status", "--json").stdout)["processes"]
                if row["name"] == "doubles")  # fmt: skip
    for double in ("google", "dropbox"):
        violations = httpx2.get(f"http://127.0.0.1:{port}/{double}/_double/violations", trust_env=False)
        assert violations.json() == []

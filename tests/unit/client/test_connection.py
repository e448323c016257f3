"""Where the server is: arguments, environment, connection file, in this order."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from heliograph_client import connection
from heliograph_client.connection import find_connection, is_loopback
from heliograph_client.errors import InsecureFile, NotConfigured

FILE = {"api": "http://127.0.0.1:5", "events": "ws://127.0.0.1:6/v1/events", "token": "user", "admin_token": "admin"}


def stack(folder: Path, **changes: Any) -> Path:
    """A folder like that of a running stack."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "connection.json"
    file.write_text(json.dumps({**FILE, "nats": "nats://x", **changes}))
    file.chmod(0o600)
    return folder


def test_the_running_stack_is_found(tmp_path: Path) -> None:
    for environment in (
        {"HELIOGRAPH_DATA": str(stack(tmp_path / "a"))},
        {"XDG_DATA_HOME": str(stack(tmp_path / "x" / "heliograph").parent)},
    ):
        found = find_connection(environment=environment)
        assert (found.api, found.events) == (FILE["api"], FILE["events"])
        assert (found.token_for(admin=False), found.token_for(admin=True)) == ("user", "admin")


def test_the_environment_overrides_the_file_and_its_tokens_stay_home(tmp_path: Path) -> None:
    data = str(stack(tmp_path))
    found = find_connection(environment={"HELIOGRAPH_API": "https://far.example/base/", "HELIOGRAPH_DATA": data})
    assert (found.api, found.events) == ("https://far.example/base", "wss://far.example/base/v1/events")
    assert found.token_for(admin=True) is None


def test_a_token_of_ones_own_is_shown_to_the_running_stack(tmp_path: Path) -> None:
    environment = {"HELIOGRAPH_TOKEN": "mine", "HELIOGRAPH_DATA": str(stack(tmp_path))}
    found = find_connection(environment=environment)
    assert (found.api, found.token_for(admin=False), found.token_for(admin=True)) == (FILE["api"], "mine", "mine")


def test_arguments_override_all(tmp_path: Path) -> None:
    environment = {"HELIOGRAPH_API": "http://env", "HELIOGRAPH_EVENTS": "ws://env", "HELIOGRAPH_TOKEN": "env"}
    found = find_connection(api="http://flag", token="flag", environment=environment)
    assert (found.api, found.events, found.token_for(admin=False)) == ("http://flag", "ws://env", "flag")
    named = find_connection(data=stack(tmp_path), environment=environment)
    assert (named.api, named.token_for(admin=False)) == (FILE["api"], "user")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_can_open_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    file = stack(tmp_path) / "connection.json"
    file.chmod(mode)
    with pytest.raises(InsecureFile, match=f"chmod 600 {file}"):
        find_connection(data=tmp_path)


def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    file = Path("/etc/passwd")  # of another user for everyone but root, and only root can give a file away
    if os.geteuid() == 0:
        file = stack(tmp_path) / "connection.json"
        os.chown(file, 65534, 65534)
    with pytest.raises(InsecureFile, match="belongs to another user"):
        connection._read(file)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "connection.json").symlink_to(stack(tmp_path / "a") / "connection.json")
    with pytest.raises(NotConfigured, match="cannot be read"):
        find_connection(data=tmp_path / "b")


def test_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="heliograph dev up"):
        find_connection(environment={"HELIOGRAPH_DATA": str(tmp_path)})


@pytest.mark.parametrize("content", ["", "[]", '{"api": 5}'])
def test_a_broken_file(tmp_path: Path, content: str) -> None:
    (stack(tmp_path) / "connection.json").write_text(content)
    with pytest.raises(NotConfigured, match="is not a valid connection file"):
        find_connection(data=tmp_path)


def test_a_stack_without_services(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="without services"):
        find_connection(data=stack(tmp_path, api=None, events=None))


@pytest.mark.parametrize("api", ["localhost:80", "ftp://a", "http://", "http://user:secret@host"])
def test_addresses_that_are_none(api: str) -> None:
    with pytest.raises(NotConfigured):
        find_connection(api=api, environment={})


def test_tokens_are_not_shown(tmp_path: Path) -> None:
    shown = repr(find_connection(data=stack(tmp_path, token="not-for-you", admin_token="nor-this")))
    assert "not-for-you" not in shown
    assert "nor-this" not in shown


def test_loopback() -> None:
    assert all(map(is_loopback, ["http://127.0.0.1:1", "ws://localhost/x", "http://[::1]:2"]))
    assert not is_loopback("http://127.example.org") or not is_loopback("https://example.org")

"""Settings out of files with secrets and by the names of older systems: which wins, and what errors tell."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, Field, SecretStr, ValidationError

from heliograph_common.setting_sources import (
    FOLDER_VARIABLE,
    LATE,
    SecretsMissing,
    SecretUnreadable,
    read_secret,
    secret_path,
)
from heliograph_common.settings import AuthSettings, ServiceSettings

SECRET = "wJalrXUtnFEMI-the-content"
KEY = "HELIOGRAPH_OPENAI__API_KEY"


class OpenAI(BaseModel):
    api_key: Annotated[SecretStr | None, LATE] = Field(None, description="Key.")
    models: list[str] = Field(["a"], description="Models.")
    weights: list[int] = Field([1], description="Numbers.")


class Example(ServiceSettings):
    auth: AuthSettings = AuthSettings()
    openai: OpenAI = OpenAI()

    @property
    def key(self) -> str | None:
        return self.openai.api_key.get_secret_value() if self.openai.api_key else None


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in [name for name in os.environ if name.startswith("HELIOGRAPH_")]:
        monkeypatch.delenv(variable)
    for variable in ("OPENAI_API_KEY", "JWT_SECRET", "LOG_LEVEL", "UNSPLASH_ACCESS_KEY"):
        monkeypatch.delenv(variable, raising=False)
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(secrets))
    return secrets


def test_which_wins(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Example().key]
    monkeypatch.setenv("OPENAI_API_KEY", "older variable")
    found.append(Example().key)
    (folder / "openai_api_key").write_text("older file\n")
    found.append(Example().key)
    (folder / "openai__api_key").write_text("file\r\n")
    found.append(Example().key)
    (tmp_path / "named").write_text("named file")
    monkeypatch.setenv(f"{KEY}_FILE", str(tmp_path / "named"))
    found.append(Example().key)
    monkeypatch.setenv(KEY, "variable")
    found.append(Example().key)
    found.append(Example(openai=OpenAI(api_key=SecretStr("argument"))).key)

    assert found == [None, "older variable", "older file", "file", "named file", "variable", "argument"]


def test_files_of_other_settings_stand_beside_each_other(folder: Path) -> None:
    (folder / "jwt_secret").write_text(f"{SECRET}\n")
    (folder / "openai__models").write_text('["b", "c"]')  # JSON, as in the environment
    (folder / "database__url").write_text("postgresql+psycopg://somewhere/else")
    (folder / "database__nothing").write_text("nobody knows this one")
    (folder / "unsplash_access_key").write_text("this service has no such setting")
    (folder / "environment").write_text("no setting of a group")
    settings = Example()

    assert settings.auth.secret is not None
    assert settings.auth.secret.get_secret_value() == SECRET
    assert settings.openai.models == ["b", "c"]
    assert settings.database.url.get_secret_value() == "postgresql+psycopg://somewhere/else"
    assert (settings.database.pool_size, settings.environment) == (10, "production")


@pytest.mark.parametrize("content", ["", "\n", "  \n"])
def test_an_empty_file_counts_as_not_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (folder / "openai__api_key").write_text(content)
    monkeypatch.setenv("OPENAI_API_KEY", "older")
    named = tmp_path / "named"
    named.write_text(content)
    assert Example().key == "older"
    monkeypatch.setenv("HELIOGRAPH_AUTH__SECRET_FILE", str(named))
    with pytest.raises(SecretsMissing):
        Example()


def test_all_files_that_are_missing_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()  # what a container runtime puts where a file to mount is not there
    monkeypatch.setenv("HELIOGRAPH_AUTH__SECRET_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HELIOGRAPH_DATABASE__URL_FILE", str(tmp_path / "folder"))
    with pytest.raises(
        SecretsMissing, match=r"AUTH__SECRET_FILE names /.*/none; HELIOGRAPH_DATABASE__URL_FILE"
    ) as raised:
        Example()
    assert [file.path.name for file in raised.value.files] == ["none", "folder"]


def test_what_is_missing_is_not_missed_where_something_else_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOGRAPH_AUTH__SECRET_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HELIOGRAPH_AUTH__SECRET", SECRET)
    monkeypatch.setenv("HELIOGRAPH_WORDS__KEY_FILE", str(tmp_path / "of another service"))
    monkeypatch.setenv("HELIOGRAPH_NATS__CA_FILE", str(tmp_path / "ca.pem"))
    settings = Example()

    assert settings.auth.secret is not None
    assert settings.nats.ca_file == tmp_path / "ca.pem", "a setting of that name, which names no file with its value"


def test_nothing_waits_for_what_may_come_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{KEY}_FILE", str(tmp_path / "key"))
    assert Example().key is None
    (tmp_path / "key").write_text("now")
    assert Example().key == "now"


@pytest.mark.parametrize(
    ("given", "level"),
    [("INFO", "info"), ("Debug", "debug"), ("WARN", "warning"), ("CRITICAL", "error"), ("", "info")],
)
def test_the_older_log_level(monkeypatch: pytest.MonkeyPatch, given: str, level: str) -> None:
    monkeypatch.setenv("LOG_LEVEL", given)
    assert Example().log.level == level
    monkeypatch.setenv("HELIOGRAPH_LOG__LEVEL", "error")
    assert Example().log.level == "error"


def test_errors_do_not_show_what_is_in_a_file(folder: Path) -> None:
    (folder / "openai__weights").write_text(SECRET)
    with pytest.raises(Exception, match="openai") as unparsable:
        Example()
    (folder / "openai__weights").write_text(f'["{SECRET}"]')
    with pytest.raises(ValidationError, match="openai") as invalid:
        Example()
    (folder / "openai__weights").write_bytes(SECRET.encode("utf-16"))
    with pytest.raises(SecretUnreadable, match="openai__weights is no text") as unreadable:
        Example()
    for raised in (unparsable, invalid, unreadable):
        assert SECRET not in str(raised.value)
        assert SECRET not in str(raised.getrepr(showlocals=False, chain=True).reprcrash)


def test_a_file_that_may_not_be_read_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "openai__api_key").write_text(SECRET)

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")  # root, as tests may be run, reads everything

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(SecretUnreadable, match=r"openai__api_key cannot be read: Permission denied"):
        read_secret(folder / "openai__api_key")


def test_the_folder_need_not_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "none"))
    assert Example().key is None
    monkeypatch.delenv(FOLDER_VARIABLE)
    assert secret_path("openai", "api_key") == Path("/run/secrets/openai__api_key")


def test_where_a_secret_is_read_from(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert secret_path("openai", "api_key") == folder / "openai__api_key", "where it may appear"
    (folder / "openai_api_key").write_text("older name")
    assert secret_path("openai", "api_key") == folder / "openai_api_key"
    monkeypatch.setenv(f"{KEY}_FILE", str(tmp_path / "not there yet"))
    assert secret_path("openai", "api_key") == tmp_path / "not there yet"
    assert read_secret(tmp_path / "not there yet") is None
    monkeypatch.setenv(KEY, "fixed")
    assert secret_path("openai", "api_key") is None

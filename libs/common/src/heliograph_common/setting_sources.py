"""Where settings come from beside the environment: files with secrets, and the names that older systems gave them.

A setting ``openai.api_key`` is, in this order: ``HELIOGRAPH_OPENAI__API_KEY``; the file that
``HELIOGRAPH_OPENAI__API_KEY_FILE`` names; the file ``openai__api_key`` in the folder of secrets, or an older name there; an
older variable. A file that is empty counts as one that is not there. No error quotes what is in a file.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from heliograph_common.errors import HeliographError

PREFIX = "HELIOGRAPH_"
FOLDER_VARIABLE = "HELIOGRAPH_SECRETS_DIR"
FOLDER = Path("/run/secrets")

OLDER_FILES = {
    "openai_api_key": "openai__api_key",
    "jwt_secret": "auth__secret",
    "unsplash_access_key": "unsplash__access_key",
}
"""Files in the folder of secrets as older systems called them, and the settings that they stand for."""

OLDER_VARIABLES = {
    "OPENAI_API_KEY": "openai__api_key",
    "JWT_SECRET": "auth__secret",
    "UNSPLASH_ACCESS_KEY": "unsplash__access_key",
    "LOG_LEVEL": "log__level",
}
"""Variables as older systems called them. A service takes those of settings that it has."""

_LEVELS = {"warn": "warning", "critical": "error", "fatal": "error"}


class Late:
    """Marks a setting whose file may come after the start: nothing waits for it, the service reads it again by itself."""


LATE = Late()
"""As in ``api_key: Annotated[SecretStr | None, LATE] = Field(None, …)``."""


@dataclass(frozen=True)
class MissingFile:
    """A file that a variable names and that is not there, or is empty."""

    variable: str
    path: Path

    def __str__(self) -> str:
        return f"{self.variable} names {self.path}"


class SecretUnreadable(HeliographError):
    """A file with a secret is there and cannot be read: the message names it, and why."""


class SecretsMissing(HeliographError):
    """Files that variables name are not there (yet): mount them there, or take the variables away."""

    def __init__(self, files: Sequence[MissingFile]) -> None:
        super().__init__(
            f"no such file, or an empty one: {'; '.join(map(str, files))}. Mount the secret there, or unset the variable"
        )
        self.files = tuple(files)


class NamedFiles(EnvSettingsSource):
    """``HELIOGRAPH_X__Y_FILE=/run/secrets/y``: what is in that file is the value of ``x.y``.

    Raises:
        SecretsMissing: files are not there. All of them, so that one start tells all.
    """

    def __call__(self) -> dict[str, Any]:
        known = _known(self.settings_cls)
        missing, found = [], {}
        for name, file in _named(known, os.environ).items():
            if not _is_set(self.current_state, name):
                content = read_secret(file.path)
                if content is not None:
                    found[name] = content
                elif LATE not in known[name].metadata:
                    missing.append(file)
        if missing:
            raise SecretsMissing(missing)
        self.env_vars = _as_variables(found)
        return super().__call__()


class FolderFiles(EnvSettingsSource):
    """``/run/secrets/x__y``: what is in that file is the value of ``x.y``."""

    def __call__(self) -> dict[str, Any]:
        folder = _folder(os.environ)
        found = {}
        if FOLDER_VARIABLE in os.environ or os.access(folder, os.X_OK):
            for name in _known(self.settings_cls):
                if not _is_set(self.current_state, name):
                    contents = filter(None, (read_secret(folder / file) for file in _file_names(name)))
                    if content := next(contents, None):
                        found[name] = content
        self.env_vars = _as_variables(found)
        return super().__call__()


class OlderVariables(EnvSettingsSource):
    """``OPENAI_API_KEY`` and the like. Empty ones count as not set."""

    def __call__(self) -> dict[str, Any]:
        known = _known(self.settings_cls)
        older = {name: os.environ.get(variable, "").strip() for variable, name in OLDER_VARIABLES.items()}
        found = {name: value for name, value in older.items() if value and name in known}
        if level := found.get("log__level", "").lower():
            found["log__level"] = _LEVELS.get(level, level)
        self.env_vars = _as_variables(found)
        return super().__call__()


def secret_path(group: str, field: str) -> Path | None:
    """The file that ``group.field`` is read from, whether it is there yet or not; ``None`` where its variable is set.

    It is looked up again each time: a file may come by another of its names.
    """
    name = f"{group}__{field}"
    variables = {variable.lower(): value for variable, value in os.environ.items()}
    variable = f"{PREFIX}{name}".lower()
    if variable in variables:
        return None
    if path := variables.get(f"{variable}_file"):
        return Path(path)
    paths = [_folder(os.environ) / file for file in _file_names(name)]
    return next((path for path in paths if path.is_file() and path.stat().st_size), paths[0])


def read_secret(path: Path) -> str | None:
    """What is in a file without the end of its line; ``None`` if there is none, or nothing in it.

    Raises:
        SecretUnreadable: it is there, and may not be read or is no text.
    """
    try:
        content = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None  # container runtimes put a folder where the file to mount is not there
    except OSError as error:
        raise SecretUnreadable(f"{path} cannot be read: {error.strerror}. Let the service's user read it") from None
    except UnicodeDecodeError:
        raise SecretUnreadable(f"{path} is no text in UTF-8. Write the secret as text") from None
    return content if content.strip() else None


def _known(settings: type[BaseSettings]) -> dict[str, FieldInfo]:
    """The settings of groups by their names, such as ``openai__api_key``."""
    return dict(_members(settings))


def _members(settings: type[BaseSettings]) -> Iterator[tuple[str, FieldInfo]]:
    for group, field in settings.model_fields.items():
        if inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel):
            for name, inner in field.annotation.model_fields.items():
                yield f"{group}__{name}", inner


def _named(known: Mapping[str, FieldInfo], environment: Mapping[str, str]) -> dict[str, MissingFile]:
    """The files that variables name. ``HELIOGRAPH_NATS__CA_FILE`` is a setting of that name, and names none."""
    files = {}
    for variable, path in environment.items():
        name = variable.removeprefix(PREFIX).lower()
        setting = name.removesuffix("_file")
        if variable.startswith(PREFIX) and name != setting and name not in known and setting in known and path:
            files[setting] = MissingFile(variable, Path(path))
    return files


def _is_set(state: Mapping[str, Any], name: str) -> bool:
    """Whether a source before this one has it; an argument may be a whole group."""
    group, field = name.split("__", 1)
    values = state.get(group, {})
    return field in values if isinstance(values, Mapping) else True


def _file_names(name: str) -> list[str]:
    return [name, *(file for file, setting in OLDER_FILES.items() if setting == name)]


def _folder(environment: Mapping[str, str]) -> Path:
    return Path(environment.get(FOLDER_VARIABLE) or FOLDER)


def _as_variables(values: Mapping[str, str]) -> dict[str, str | None]:
    """As pydantic has them from the environment, so that what is JSON there is JSON here."""
    return {f"{PREFIX}{name}".lower(): value for name, value in values.items()}

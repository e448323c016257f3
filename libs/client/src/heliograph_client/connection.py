"""Finds the address of the server and the token.

Flags (arguments here) override the environment, which overrides the connection file that a running embedded stack keeps
in its data folder. A token of that file is only ever sent to the address in the same file, unless the caller names the
folder.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from heliograph_client.errors import InsecureFile, NotConfigured

EVENTS_PATH = "/v1/events"


class Connection(BaseModel):
    """``api`` is the base URL over HTTP, ``events`` the WebSocket's. ``admin_token`` is for administrators' requests where
    there is one. ``origin`` says in words where all this comes from."""

    model_config = ConfigDict(frozen=True)

    api: str
    events: str
    token: SecretStr | None = None
    admin_token: SecretStr | None = None
    origin: str = Field(default="arguments", exclude=True)

    def token_for(self, *, admin: bool) -> str | None:
        """The token to show: the administrator's where ``admin`` and known, otherwise the user's."""
        chosen = self.admin_token if admin and self.admin_token else self.token
        return chosen.get_secret_value() if chosen else None


class _File(BaseModel):
    """What this module reads of connection.json; the file has more."""

    api: str | None = None
    events: str | None = None
    token: SecretStr | None = None
    admin_token: SecretStr | None = None


def find_connection(
    *,
    api: str | None = None,
    events: str | None = None,
    token: str | None = None,
    data: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Connection:
    """Puts together what is known; arguments come first. ``data`` is the embedded stack's folder.

    Raises:
        NotConfigured: no address is known, or one of them is none.
        InsecureFile: the connection file is not ours alone.
    """
    named = data is not None
    env = {} if named else {key: environment.get(f"HELIOGRAPH_{key.upper()}") for key in ("api", "events", "token")}
    known_api = api or env.get("api")
    folder = data or _default_folder(environment)
    found = _read(folder / "connection.json") if named or not known_api else None
    if found is None and not known_api:
        raise NotConfigured(
            f"no server configured and no stack running in {folder}; start one with `heliograph dev up`, "
            "or set HELIOGRAPH_API and HELIOGRAPH_TOKEN"
        )
    file = found or _File()
    address = known_api or file.api
    if not address:
        raise NotConfigured(f"the stack in {folder} runs without services; start it with `heliograph dev up`")
    mine = token or env.get("token")
    return Connection(
        api=_checked(address, {"http", "https"}, "--api or HELIOGRAPH_API"),
        events=_checked(
            events or env.get("events") or (None if known_api else file.events) or _events_of(address),
            {"ws", "wss"},
            "--events or HELIOGRAPH_EVENTS",
        ),
        token=SecretStr(mine) if mine else file.token,
        admin_token=None if mine else file.admin_token,
        origin=str(folder / "connection.json")
        if found
        else "HELIOGRAPH_API"
        if env.get("api") and not api
        else "--api",
    )


def is_loopback(url: str) -> bool:
    """Whether ``url`` stays on this machine, where no proxy has any business."""
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _default_folder(environment: Mapping[str, str]) -> Path:
    if named := environment.get("HELIOGRAPH_DATA"):
        return Path(named).expanduser()
    base = environment.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "heliograph"


def _read(path: Path) -> _File | None:
    """The connection file; it is opened first and then judged, so that it cannot be exchanged in between."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotConfigured(
            f"{path} cannot be read ({error.strerror}); run as the user who started the stack"
        ) from None
    with os.fdopen(descriptor, encoding="utf-8") as file:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid():
            raise InsecureFile(f"{path} belongs to another user; run as that user, or name another folder with --data")
        if mode := stat.S_IMODE(status.st_mode) & 0o077:
            raise InsecureFile(f"{path} is open to other users (mode bits {mode:03o}); run: chmod 600 {path}")
        try:
            return _File.model_validate_json(file.read())
        except ValidationError:
            raise NotConfigured(
                f"{path} is not a valid connection file; restart the stack with `heliograph dev up`"
            ) from None


def _events_of(api: str) -> str:
    parts = urlsplit(api)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + EVENTS_PATH, "", ""))


def _checked(url: str, schemes: set[str], named: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        raise NotConfigured(f"{url!r} is not a valid URL; give {named} as {' or '.join(sorted(schemes))}://host[:port]")
    if parts.username or parts.password:
        raise NotConfigured(f"the URL in {named} must not contain credentials; put the token into HELIOGRAPH_TOKEN")
    return url.rstrip("/")

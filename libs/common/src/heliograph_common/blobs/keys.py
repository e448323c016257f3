"""Where objects lie. Keys are made of what the object holds, so that writing twice writes the same to the same place;
but for uploads that are not finished, whose bytes nobody knows yet.

A key under which something was deleted is not used again: a deletion that arrives late would hit what came after it. The
next object of the same base has another incarnation, whose number is the key's suffix; ``ingest.incarnations`` counts them.
"""

from __future__ import annotations

import re
from uuid import UUID

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NUMBERED = re.compile(r"(.+)\.([1-9][0-9]*)", re.DOTALL)

ORIGINALS = "originals/"
RENDITIONS = "renditions/"
UPLOADS = "uploads/"

_CONTENT = re.compile(rf"(?:{ORIGINALS}|{RENDITIONS})({_SHA256.pattern})(?:[./].*)?", re.DOTALL)
_UPLOAD = re.compile(rf"{UPLOADS}([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})/{_NAME.pattern}")


def original(sha256: str, number: int = 0) -> str:
    """``originals/<sha256>``; ``sha256`` in 64 lower-case hexadecimal digits, else ``ValueError``. ``number``: which
    incarnation."""
    return incarnation(f"{ORIGINALS}{_checked(sha256, _SHA256)}", number)


def rendition(sha256: str, pipeline_version: str, name: str) -> str:
    """``renditions/<sha256>/<pipeline version>/<name>`` of the original with that hash, such as ``…/3/w300.webp``. A name
    that would read as a numbered incarnation of another is a ``ValueError``."""
    if _NUMBERED.fullmatch(name):
        raise ValueError(f"{name!r} cannot be part of an object key; it must not end in a number")
    return f"{renditions(sha256)}{_checked(pipeline_version, _NAME)}/{_checked(name, _NAME)}"


def renditions(sha256: str) -> str:
    """The prefix of all renditions of one original."""
    return f"{RENDITIONS}{_checked(sha256, _SHA256)}/"


def incarnation(base: str, number: int) -> str:
    """The key of one incarnation: the first, 0, has the base itself; others ``<base>.<number>``. There is no slash in it:
    to SeaweedFS a key is a file or a folder, never both."""
    return f"{base}.{number}" if number else base


def split(key: str) -> tuple[str, int]:
    """Base and incarnation of a key that ``original`` or ``rendition`` and ``incarnation`` made."""
    found = _NUMBERED.fullmatch(key)
    return (found[1], int(found[2])) if found else (key, 0)


def content_of(key: str) -> str | None:
    """The SHA-256 of the original that the key is of, or of a rendition of it; ``None`` for other keys."""
    found = _CONTENT.fullmatch(key)
    return found[1] if found else None


def upload(upload_id: UUID, name: str) -> str:
    """``uploads/<id>/<name>``: bytes that are not an image yet. ``name`` tells the objects of one upload apart."""
    return f"{uploads(upload_id)}{_checked(name, _NAME)}"


def uploads(upload_id: UUID) -> str:
    """The prefix of all objects of one upload."""
    return f"{UPLOADS}{upload_id}/"


def upload_of(key: str) -> UUID | None:
    """Whose object ``key`` is; ``None`` for keys that ``upload`` does not make."""
    found = _UPLOAD.fullmatch(key)
    return UUID(found[1]) if found else None


def _checked(part: str, form: re.Pattern[str]) -> str:
    if not form.fullmatch(part):
        raise ValueError(f"{part!r} cannot be part of an object key; it must match {form.pattern}")
    return part

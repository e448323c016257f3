"""Where objects lie. Keys are made of what the object holds, so that writing twice writes the same to the same place;
but for uploads that are not finished, whose bytes nobody knows yet."""

from __future__ import annotations

import re
from uuid import UUID

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

ORIGINALS = "originals/"
RENDITIONS = "renditions/"
UPLOADS = "uploads/"

_UPLOAD = re.compile(rf"{UPLOADS}([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})/{_NAME.pattern}")


def original(sha256: str) -> str:
    """``originals/<sha256>``; ``sha256`` in 64 lower-case hexadecimal digits, else ``ValueError``."""
    return f"{ORIGINALS}{_checked(sha256, _SHA256)}"


def rendition(sha256: str, pipeline_version: str, name: str) -> str:
    """``renditions/<sha256>/<pipeline version>/<name>`` of the original with that hash, such as ``…/3/w300.webp``."""
    return f"{renditions(sha256)}{_checked(pipeline_version, _NAME)}/{_checked(name, _NAME)}"


def renditions(sha256: str) -> str:
    """The prefix of all renditions of one original."""
    return f"{RENDITIONS}{_checked(sha256, _SHA256)}/"


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

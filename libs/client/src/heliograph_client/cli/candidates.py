"""Which files an upload means: what folders and patterns expand to, and what is not an image by its content.

Only what cannot be a picture is held back here; what the server renders is the server's to say.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_HEAD = 64
_PICTURES = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",  # TIFF, and most raw formats of cameras
    b"MM\0*",
    b"II+\0",  # BigTIFF
    b"MM\0+",
    b"BM",
    b"8BPS",  # Photoshop
    b"\0\0\0\x0cjP  ",  # JPEG 2000
    b"\xff\x0a",  # JPEG XL
    b"\0\0\0\x0cJXL ",
)
_STILLS = frozenset({b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_OTHERS = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "an archive or office document"),
    (b"\x1a\x45\xdf\xa3", "a video"),
    (b"\x1f\x8b", "a compressed file"),
    (b"\x7fELF", "an executable"),
)


@dataclass(frozen=True)
class Candidate:
    """A file to upload, or with ``refusal`` one that will not be, and why. ``named``: the user named this very file."""

    path: Path
    named: bool
    refusal: str | None = None


def candidates(arguments: Iterable[str]) -> Iterator[Candidate]:
    """Files in the order of ``arguments``, each once; those of folders and patterns sorted, hidden ones left out."""
    seen: set[Path] = set()
    for argument in arguments:
        for path, named in _expanded(argument):
            absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
            if absolute not in seen:
                seen.add(absolute)
                yield Candidate(path, named, refusal(path))


def refusal(path: Path) -> str | None:
    """Why the file at ``path`` is not worth sending; ``None`` when it may be a picture."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "not a regular file; give a file, a folder or a glob pattern"
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not head:
        return "the file is empty"
    if _may_be_a_picture(head):
        return None
    kind = next((kind for magic, kind in _OTHERS if head.startswith(magic)), None)
    if kind is None and head[4:8] == b"ftyp":
        kind = "a video"
    return f"not a supported image: the content is {kind}" if kind else "not a supported image"


def _may_be_a_picture(head: bytes) -> bool:
    if head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return True
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, len(head), 4))}
    return head[4:8] == b"ftyp" and not brands.isdisjoint(_STILLS)


def _expanded(argument: str) -> Iterator[tuple[Path, bool]]:
    path = Path(argument)
    if path.is_dir():
        yield from ((found, False) for found in _walk(path))
    elif glob.has_magic(argument) and not path.exists() and (matches := sorted(glob.glob(argument, recursive=True))):  # noqa: PTH207
        for match in matches:
            found = Path(match)
            yield from ((inner, False) for inner in _walk(found)) if found.is_dir() else [(found, False)]
    else:
        yield path, True


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent) / name for name in sorted(files) if not name.startswith("."))

"""What a listing says of files and folders, in terms of the port.

Entries of shared links have no path, only a name and an id, so the path in the link is built from the names. The id is the
same however often, and from wherever, the folder is listed; so it is the reference of a file.

What rows keep of a path is ASCII with JSON's escapes, because PostgreSQL cannot have all that a JSON text can. What people
see of it is without that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from mimetypes import MimeTypes
from pathlib import PurePosixPath
from typing import Any

from dropbox.files import FileMetadata, FolderMetadata

from heliograph_common.excerpts import excerpt
from heliograph_importer.sources.names import readable
from heliograph_importer.sources.port import Folder, RemoteFile

_TYPES = MimeTypes().types_map[0] | MimeTypes().types_map[1]
"""Those that Python knows by itself, so that they do not depend on the machine, and common ones that it lacks."""
_TYPES |= dict.fromkeys((".7z", ".rar", ".gz", ".bz2", ".xz", ".dmg", ".iso", ".apk"), "application/x-archive")
_TYPES |= dict.fromkeys((".mkv", ".wmv", ".m2ts"), "video/x-other") | dict.fromkeys((".flac", ".ogg"), "audio/x-other")
_DOCUMENTS = {".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt", ".ods", ".odp", ".rtf", ".pdf", ".epub"}
_DOCUMENTS |= {".pages", ".numbers", ".key", ".paper", ".gdoc", ".gsheet", ".gslides", ".md"}
_UNKNOWN = "application/octet-stream"


def kept(path: str) -> str:
    """A path as rows keep it."""
    return json.dumps(path)[1:-1]


def path_of(kept: str) -> str:
    """The path that rows keep so."""
    return str(json.loads(f'"{kept}"'))


def files(entries: Iterable[Any], folder: Folder, path_in_link: str | None) -> list[RemoteFile]:
    """The files among ``entries``. ``path_in_link``: that of the folder, if it is in a shared link."""
    return [_file(each, folder, path_in_link) for each in entries if isinstance(each, FileMetadata)]


def folders(entries: Iterable[Any], folder: Folder, path_in_link: str | None) -> list[Folder]:
    """The folders among ``entries``."""
    return [
        Folder(
            ref=each.id if path_in_link is None else kept(f"{path_in_link}/{each.name}"), path=_below(folder, each.name)
        )
        for each in entries
        if isinstance(each, FolderMetadata)
    ]


def _file(entry: Any, folder: Folder, path_in_link: str | None) -> RemoteFile:
    suffix = PurePosixPath(entry.name).suffix.lower()
    return RemoteFile(
        ref=entry.id,
        name=readable(entry.name),
        path=_below(folder, entry.name),
        size=entry.size,
        mime_type=_TYPES.get(suffix),
        revision=entry.content_hash or entry.rev,
        details={} if path_in_link is None else {"path": kept(f"{path_in_link}/{entry.name}")},
        skip=_skip(entry, suffix),
    )


def _skip(entry: Any, suffix: str) -> tuple[str, str] | None:
    """Why the file is certainly not an image that can be fetched. One of unknown type may be one."""
    mime_type = _TYPES.get(suffix, _UNKNOWN)
    if not entry.is_downloadable:
        return "not_downloadable", "the file can only be exported: save it as an image in Dropbox"
    if entry.symlink_info is not None:
        return "not_downloadable", "the file is a symbolic link: import the folder that it leads to"
    if suffix in _DOCUMENTS or mime_type.startswith("text/"):
        return "document", f"the file is a document by its name ({excerpt(suffix)})"
    if mime_type != _UNKNOWN and not mime_type.startswith("image/"):
        return "not_an_image", f"the file is not an image by its name ({excerpt(suffix)})"
    return None


def _below(folder: Folder, name: str) -> str:
    return f"{folder.path}/{readable(name)}" if folder.path else readable(name)

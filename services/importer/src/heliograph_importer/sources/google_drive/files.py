"""What the API tells of files, in the words of the port: which are folders, which need not be fetched, and why."""

from __future__ import annotations

from heliograph_common.excerpts import excerpt
from heliograph_importer.sources.google_drive.api import File
from heliograph_importer.sources.names import readable
from heliograph_importer.sources.port import Folder, RemoteFile

FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
RESOURCE_KEY = "resource_key"
"""The name of a resource key in ``details``."""

_NATIVE = "application/vnd.google-apps."
_UNKNOWN = frozenset({"application/octet-stream", "binary/octet-stream"})


def resolved(file: File) -> File:
    """What a shortcut leads to, under the shortcut's name; any other file as it is."""
    target = file.shortcut_details
    if file.mime_type != SHORTCUT or target is None or not target.target_id:
        return file
    return File(
        id=target.target_id,
        name=file.name,
        mime_type=target.target_mime_type or None,
        resource_key=target.target_resource_key or None,
    )


def as_folder(file: File, within: Folder) -> Folder:
    """A folder in the folder ``within``."""
    return Folder(ref=file.id, path=_path(file, within), details=details(file))


def as_remote_file(file: File, within: Folder) -> RemoteFile:
    """A file in the folder ``within``."""
    return RemoteFile(
        ref=file.id,
        name=readable(file.name),
        path=_path(file, within),
        size=int(file.size) if file.size and file.size.isdecimal() else None,
        mime_type=file.mime_type,
        revision=_revision(file),
        details=details(file),
        skip=skip(file),
    )


def details(file: File) -> dict[str, str]:
    """What is wanted again to list or fetch it."""
    return {RESOURCE_KEY: file.resource_key} if file.resource_key else {}


def skip(file: File) -> tuple[str, str] | None:
    """Why a file need not be fetched, if so."""
    kind = file.mime_type or ""
    if kind == SHORTCUT:
        return "not_downloadable", "The shortcut leads to something that does not exist any more"
    if kind.startswith(_NATIVE):
        return "document", f"Google {excerpt(kind.removeprefix(_NATIVE))}: not a file that can be downloaded"
    if kind and not kind.startswith("image/") and kind not in _UNKNOWN:
        return "not_an_image", f"Google Drive says that its type is {excerpt(kind, 100)}"
    if file.capabilities is not None and not file.capabilities.can_download:
        return "not_downloadable", "Downloading is disabled: have the owner allow viewers to download the file"
    return None


def _revision(file: File) -> str | None:
    """A checksum of the content; else what changes at least as often."""
    edited = ":".join(filter(None, [file.version, file.modified_time]))
    return file.sha256_checksum or file.md5_checksum or file.head_revision_id or edited or None


def _path(file: File, within: Folder) -> str:
    return f"{within.path}/{readable(file.name)}" if within.path else readable(file.name)

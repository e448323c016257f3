"""Links to folders of Google Drive, in all the forms that Google has given out, and bare IDs of folders.

A link tells neither whether the folder exists nor, with ``open?id=``, whether it is one: the source finds out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

_ID = re.compile(r"[A-Za-z0-9_-]{10,128}")
_RESOURCE_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")
_HOSTS = frozenset({"drive.google.com", "docs.google.com"})
_BY_ID = frozenset({"open", "folderview", "embeddedfolderview"})
_EDITORS = frozenset({"document", "spreadsheets", "presentation", "forms", "drawings", "file", "uc", "uploader"})
_LONGEST = 2048

_WANTED = "open the folder in Google Drive, choose Share, then Copy link, and use that link"


def parse(link: str) -> Mapping[str, str]:
    """``folder_id`` and, where the link has one, ``resource_key``.

    Raises:
        ValueError: it is no link to a folder; the message names the remedy.
    """
    text = link.strip()
    if _ID.fullmatch(text):
        return {"folder_id": text}
    host, path, query = _parts(text)
    if host not in _HOSTS:
        if host in {"photos.google.com", "photos.app.goo.gl"}:
            raise ValueError(f"Albums of Google Photos cannot be imported: put the photos in a folder, then {_WANTED}")
        raise ValueError(f"Not a link to Google Drive: {_WANTED}")
    folder = _folder(path, query)
    if not _ID.fullmatch(folder):
        raise ValueError(f"The link has no valid folder ID: {_WANTED}")
    key = query.get("resourcekey", "")
    return {"folder_id": folder, "resource_key": key} if _RESOURCE_KEY.fullmatch(key) else {"folder_id": folder}


def _parts(text: str) -> tuple[str, list[str], Mapping[str, str]]:
    """Host, parts of the path, and the query. Old links have them in the fragment: ``drive.google.com/#folders/ID``."""
    if len(text) > _LONGEST:
        raise ValueError(f"The link is too long: {_WANTED}")
    try:
        url = urlsplit(text if "://" in text else f"https://{text}")
        host = url.hostname or ""
    except ValueError:
        raise ValueError(f"Not a valid URL: {_WANTED}") from None
    if url.scheme not in {"http", "https"}:
        raise ValueError(f"Not a link to Google Drive: {_WANTED}")
    path = [part for part in f"{url.path}/{url.fragment.partition('?')[0]}".split("/") if part]
    query = {name.lower(): values[0] for name, values in parse_qs(url.query).items()}
    return host.removeprefix("www."), path, query


def _folder(path: list[str], query: Mapping[str, str]) -> str:
    """The ID of the folder, or what stands in its place."""
    if (
        "folders" in path
    ):  # /drive/u/0/folders/ID, /drive/mobile/folders/ID; below a folder the last ID is the one shown
        return next((part for part in reversed(path[path.index("folders") + 1 :]) if _ID.fullmatch(part)), "")
    if path[:2] == ["folder", "d"]:  # /folder/d/ID/edit
        return next(iter(path[2:]), "")
    if not _BY_ID.isdisjoint(path):
        return query.get("id", "")
    if not _EDITORS.isdisjoint(path):
        raise ValueError(f"The link leads to a file, not to a folder: put the file in a folder, then {_WANTED}")
    raise ValueError(f"The link does not lead to a folder of its own: {_WANTED}")

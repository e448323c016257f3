"""Links to folders of Dropbox.

Shared folders have ``/scl/fo/<id>/<key>?rlkey=…`` and, of older make, ``/sh/<id>/<key>``; both may go on with the path of
a folder in the shared one. ``rlkey`` is a part of the secret; what else stands in the query (``dl``, ``st``, ``e``) is about
the browser and differs each time a link is copied. Paths in one's own Dropbox are ``/home/<path>`` in the browser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, quote, unquote, urlsplit

_HOSTS = {"dropbox.com", "www.dropbox.com"}
_SHARED = re.compile(r"/(scl/fo|sh)/([\w-]+)/([\w-]+)(/.*)?", re.ASCII)
_OF_A_FILE = re.compile(r"/(scl/fi|s)/.")
_NEVER = re.compile(r"[\x00-\x1f\x7f]")
_REMEDY = (
    "share the folder in Dropbox and use the link that it copies, such as https://www.dropbox.com/scl/fo/…?rlkey=…"
)


def parse(link: str) -> Mapping[str, str]:
    """What the link says of the folder: ``shared_link``, the same however it was copied, with ``path`` if it leads to a
    folder in the shared one; or ``path`` alone, a folder of the user whose token is used, empty for all of it.

    Raises:
        ValueError: it is no link to a folder; the message names the remedy.
    """
    link = link.strip()
    if not link:
        raise ValueError(f"The link is empty: {_REMEDY}")
    if _NEVER.search(link):
        raise ValueError(f"The link has control characters: {_REMEDY}")
    if link.startswith("/"):
        return {"path": _path(link)}
    try:
        parts = urlsplit(link if "://" in link else f"https://{link}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"The link is not a URL: {_REMEDY}") from error
    if parts.scheme not in {"http", "https"} or host not in _HOSTS or port not in {None, 80, 443}:
        raise ValueError(f"The link is not one of www.dropbox.com: {_REMEDY}")
    return _of_url(parts.path, parts.query)


def _of_url(path: str, query: str) -> Mapping[str, str]:
    if shared := _SHARED.fullmatch(path):
        kind, ident, key, below = shared.groups()
        keys = parse_qs(query).get("rlkey", [])[:1]
        secret = f"?rlkey={quote(keys[0], safe='')}" if keys else ""
        found = {"shared_link": f"https://www.dropbox.com/{kind}/{ident}/{key}{secret}"}
        inner = _path(unquote(below or ""))
        return found | {"path": inner} if inner else found
    if path == "/home" or path.startswith("/home/"):
        return {"path": _path(unquote(path.removeprefix("/home")))}
    if _OF_A_FILE.match(path):
        raise ValueError(
            "The link leads to a single file: share the folder that it is in, and use the link of the folder"
        )
    raise ValueError(f"The link does not lead to a folder: {_REMEDY}")


def _path(path: str) -> str:
    """As the API has paths: no slash at the end, and nothing for the root."""
    names = [name for name in path.split("/") if name]
    if _NEVER.search(path) or not {".", ".."}.isdisjoint(names):
        raise ValueError(
            "The path is not one of a folder in Dropbox: name each folder from the root, such as /Photos/2024"
        )
    return "".join(f"/{name}" for name in names)

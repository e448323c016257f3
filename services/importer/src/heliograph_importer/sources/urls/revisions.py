"""What tells whether the content at an address has changed: its strong ETag, or when it was modified last with its size.
Pure.

A revision is text that ``conditional`` reads again. A weak ETag is none: it stays the same for contents that are alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_STRONG = re.compile(r'"[\x21\x23-\x7e]{1,200}"')
_DATE = re.compile(r"[A-Za-z0-9:, ]{1,40}")
_ETAG = "etag "
_MODIFIED = "modified "


def revision_of(headers: Mapping[str, str]) -> str | None:
    """The revision that the headers of an answer tell, if any."""
    etag = headers.get("etag", "").strip()
    if _STRONG.fullmatch(etag):
        return _ETAG + etag
    modified, size = headers.get("last-modified", "").strip(), headers.get("content-length", "").strip()
    if _DATE.fullmatch(modified) and size.isascii() and size.isdigit():
        return f"{_MODIFIED}{modified}; {size}"
    return None


def conditional(known: str | None) -> dict[str, str]:
    """The headers of a request for the content unless it is still that of the revision ``known``."""
    if known is None:
        return {}
    if known.startswith(_ETAG):
        return {"If-None-Match": known.removeprefix(_ETAG)}
    if known.startswith(_MODIFIED):
        return {"If-Modified-Since": known.removeprefix(_MODIFIED).partition(";")[0]}
    return {}

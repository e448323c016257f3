"""The headers of tus 1.0 (tus.io/protocols/resumable-upload): their names, and what clients say in them. Pure."""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from heliograph_common.http.problems import Problem
from heliograph_gateway.http.problems import INVALID_PARAMETER

ROOT = "/v1/uploads/tus"
VERSION = "1.0.0"
EXTENSIONS = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "expiration",
    "checksum",
    "termination",
    "concatenation",
)
BODY_TYPE = "application/offset+octet-stream"
IMAGE = "Heliograph-Image"
"""Ours: the address of the image that an upload became."""
METHOD_OVERRIDE = "X-HTTP-Method-Override"

REQUEST_HEADERS = (
    "Tus-Resumable",
    "Upload-Checksum",
    "Upload-Concat",
    "Upload-Defer-Length",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    METHOD_OVERRIDE,
    "X-Request-ID",  # tus-js-client can send one
)
RESPONSE_HEADERS = (
    "Tus-Checksum-Algorithm",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Concat",
    "Upload-Defer-Length",
    "Upload-Expires",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    IMAGE,
)

_ALGORITHMS: dict[str, Callable[..., hashlib._Hash]] = {
    "sha1": hashlib.sha1,
    "sha256": hashlib.sha256,
    "md5": hashlib.md5,
}
ALGORITHMS = tuple(_ALGORITHMS)
LONGEST_METADATA = 4096
"""Characters. The header comes back on every HEAD, and proxies take little more for all headers together."""

_VISIBLE = re.compile(r"[\x20-\x7e]*")
_PATH = re.compile(rf"{ROOT}/([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})")


@dataclass(frozen=True)
class Checksum:
    """What the client says that its body's ``digest`` is."""

    algorithm: str
    digest: bytes

    def hash(self) -> hashlib._Hash:
        """To feed the body to."""
        return _ALGORITHMS[self.algorithm](usedforsecurity=False)


@dataclass(frozen=True)
class Concat:
    """``Upload-Concat``: of a partial upload, or of a final one with the addresses that it is made of."""

    partial: bool
    urls: tuple[str, ...] = ()


def is_tus(path: str) -> bool:
    """Whether requests to ``path`` speak tus."""
    return path == ROOT or path.startswith(f"{ROOT}/")


def metadata(value: str) -> dict[str, bytes]:
    """``Upload-Metadata``: ``key base64,key base64,key``. An empty header, as some clients send, has no keys.

    Raises:
        Problem: it is not of that form.
    """
    if len(value) > LONGEST_METADATA:
        raise wrong("Upload-Metadata", f"Must have at most {LONGEST_METADATA:,} characters, not {len(value):,}")
    if not _VISIBLE.fullmatch(value):
        raise wrong("Upload-Metadata", "Must be ASCII, with values encoded in Base64")
    found: dict[str, bytes] = {}
    for pair in value.split(",") if value.strip() else ():
        key, _, encoded = pair.strip(" ").partition(" ")
        if not key or key in found:
            raise wrong("Upload-Metadata", f"Repeats the key `{key}`" if key else "Has a pair without a key")
        found[key] = _base64("Upload-Metadata", encoded.strip(" "), f"The value of `{key}`")
    return found


def checksum(value: str) -> Checksum:
    """``Upload-Checksum``: ``sha1 base64``.

    Raises:
        Problem: the algorithm is not known, or the digest is none of its.
    """
    algorithm, _, encoded = value.strip(" ").partition(" ")
    if algorithm not in _ALGORITHMS:
        raise wrong("Upload-Checksum", f"Must begin with one of {', '.join(ALGORITHMS)}")
    found = Checksum(algorithm, _base64("Upload-Checksum", encoded, "The checksum"))
    if len(found.digest) != found.hash().digest_size:
        raise wrong(
            "Upload-Checksum", f"Has {len(found.digest)} bytes, which is not the length of a {algorithm} digest"
        )
    return found


def concat(value: str) -> Concat:
    """``Upload-Concat``: ``partial``, or ``final;url url``.

    Raises:
        Problem: it is neither.
    """
    if value == "partial":
        return Concat(partial=True)
    kind, _, urls = value.partition(";")
    if kind != "final" or not urls.split():
        raise wrong("Upload-Concat", "Must be `partial`, or `final;` followed by the URLs of partial uploads")
    return Concat(partial=False, urls=tuple(urls.split()))


def upload_id(url: str) -> UUID | None:
    """The id of the upload at an absolute or relative ``url``; ``None`` where it is no upload's."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return None
    found = _PATH.fullmatch(path)
    return UUID(found[1]) if found else None


def wrong(name: str, detail: str) -> Problem:
    """A header that is not acceptable."""
    return Problem(INVALID_PARAMETER, f"`{name}`: {detail}", extra={"errors": [{"parameter": name, "detail": detail}]})


def options(max_size: int) -> dict[str, str]:
    """What a server says of itself."""
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": ",".join(EXTENSIONS),
        "Tus-Max-Size": str(max_size),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }


def _base64(name: str, encoded: str, what: str) -> bytes:
    try:
        return b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise wrong(name, f"{what} is not valid Base64 (RFC 4648, with padding)") from None

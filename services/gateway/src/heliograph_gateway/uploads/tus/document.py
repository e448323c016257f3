"""What the OpenAPI document says of tus: request headers as FastAPI's parameters, response headers, problems.

The routes annotate with it; the document makes components of ``HEADERS``. What the headers mean is tus' to say.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Header

from heliograph_common.http.problems import Kind
from heliograph_gateway.http.problems import TUS_VERSION
from heliograph_gateway.http.responses import header, problems
from heliograph_gateway.uploads.tus.headers import ALGORITHMS, BODY_TYPE, EXTENSIONS, IMAGE, LONGEST_METADATA, VERSION

_BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
_PAIR = f"[!-+\\--~]+(?: {_BASE64})?"
_BYTES = "^[0-9]{1,15}$"
_UPLOAD = "/v1/uploads/tus/01a1f92b-ba77-76a1-85bb-608671403cb6"

Version = Annotated[Literal["1.0.0"], Header(alias="Tus-Resumable", description="Version of the tus protocol.")]
VersionIfAny = Annotated[
    Literal["1.0.0"] | None, Header(alias="Tus-Resumable", description="Version of the tus protocol.")
]
Offset = Annotated[
    str,
    Header(
        alias="Upload-Offset",
        pattern=_BYTES,
        description="Offset in bytes at which to append: the one that the last response returned.",
        openapi_examples={"begin": {"value": "0"}},
    ),
]
Length = Annotated[
    str | None,
    Header(
        alias="Upload-Length",
        pattern=_BYTES,
        description="Size of the whole file in bytes. It cannot be changed once it is set.",
        openapi_examples={"two megabytes": {"value": "2411724"}},
    ),
]
DeferLength = Annotated[
    Literal["1"] | None,
    Header(alias="Upload-Defer-Length", description="`1` if the length is sent with a later PATCH."),
]
Metadata = Annotated[
    str,
    Header(
        alias="Upload-Metadata",
        max_length=LONGEST_METADATA,
        description="Comma-separated pairs of a key and a Base64 value. Known keys: `filename` or `name` (name of the "
        "image), "
        "`priority` (`high`, `normal` or `low`) and `analyze` (analysis profile). All pairs are returned by HEAD.",
        json_schema_extra={"pattern": f"^(?:{_PAIR}(?:,{_PAIR})*)?$"},
        openapi_examples={"a name": {"value": "filename YmVhY2guanBn,priority aGlnaA=="}},
    ),
]
Checksum = Annotated[
    str | None,
    Header(
        alias="Upload-Checksum",
        description="Algorithm and digest of the body in Base64. The body is stored only if the digest matches.",
        json_schema_extra={"pattern": f"^(?:{'|'.join(ALGORITHMS)}) {_BASE64}$"},
        openapi_examples={"sha1": {"value": "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="}},
    ),
]
Concat = Annotated[
    str | None,
    Header(
        alias="Upload-Concat",
        description="`partial` creates a part of an image. `final;` followed by the URLs of such parts, in order, "
        "concatenates them "
        "into an image; it is sent without `Upload-Length` and without a body.",
        json_schema_extra={"pattern": f"^(?:partial|final;{_UPLOAD[:16]}\\S+( {_UPLOAD[:16]}\\S+)*)$"},
        openapi_examples={"a part": {"value": "partial"}, "the whole": {"value": f"final;{_UPLOAD} {_UPLOAD}"}},
    ),
]

HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Tus-Resumable": ("Version of the tus protocol of this response.", {"const": VERSION}),
    "Tus-Version": ("Supported versions of the tus protocol.", {"const": VERSION}),
    "Tus-Extension": ("Supported extensions of the tus protocol.", {"const": ",".join(EXTENSIONS)}),
    "Tus-Max-Size": ("Maximum size of an upload in bytes.", {"type": "integer", "minimum": 1}),
    "Tus-Checksum-Algorithm": ("Supported algorithms for `Upload-Checksum`.", {"const": ",".join(ALGORITHMS)}),
    "Upload-Offset": ("Number of bytes stored.", {"type": "integer", "minimum": 0}),
    "Upload-Length": (
        "Size of the whole file in bytes. Missing while it is deferred.",
        {"type": "integer", "minimum": 0},
    ),
    "Upload-Defer-Length": ("`1` while the length is deferred.", {"const": "1"}),
    "Upload-Metadata": ("Metadata as sent when the upload was created.", {}),
    "Upload-Concat": ("Value as sent when the upload was created.", {}),
    "Upload-Expires": ("When the upload is deleted, unless further requests are made (HTTP date).", {}),
    IMAGE: ("URL of the image that the upload became, relative to the server.", {"format": "uri-reference"}),
}

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The next bytes of the file.",
        "content": {BODY_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}
FIRST_BODY: dict[str, Any] = {
    "requestBody": BODY["requestBody"]
    | {"required": False, "description": "The first bytes of the file, all of them, or none."}
}


def answers(status: int, description: str, headers: tuple[str, ...], *kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """``responses`` of a route that asks for a token."""
    return _with_version(problems(TUS_VERSION, *kinds) | _answer(status, description, headers))


def open_answers(status: int, description: str, headers: tuple[str, ...]) -> dict[int | str, dict[str, Any]]:
    """``responses`` of a route that does not, and that cannot fail."""
    return _with_version(_answer(status, description, headers))


def _answer(status: int, description: str, headers: tuple[str, ...]) -> dict[int | str, dict[str, Any]]:
    named: dict[str, Any] = {}
    for name in headers:
        named |= header(name)
    return {status: {"description": description, "headers": named}}


def _with_version(responses: dict[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    for response in responses.values():
        response.setdefault("headers", {}).update(header("Tus-Resumable"))
    return responses

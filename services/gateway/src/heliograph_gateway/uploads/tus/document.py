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

Version = Annotated[Literal["1.0.0"], Header(alias="Tus-Resumable", description="The version of tus.")]
VersionIfAny = Annotated[Literal["1.0.0"] | None, Header(alias="Tus-Resumable", description="The version of tus.")]
Offset = Annotated[
    str,
    Header(
        alias="Upload-Offset",
        pattern=_BYTES,
        description="Where the upload stands, in bytes, as its last answer said.",
        openapi_examples={"begin": {"value": "0"}},
    ),
]
Length = Annotated[
    str | None,
    Header(
        alias="Upload-Length",
        pattern=_BYTES,
        description="Of the whole upload, in bytes. Once told it cannot change.",
        openapi_examples={"two megabytes": {"value": "2411724"}},
    ),
]
DeferLength = Annotated[
    Literal["1"] | None, Header(alias="Upload-Defer-Length", description="The length comes with a later PATCH.")
]
Metadata = Annotated[
    str,
    Header(
        alias="Upload-Metadata",
        max_length=LONGEST_METADATA,
        description="Pairs of a key and a value in Base64. `filename` or `name` names the picture, `priority` is high, "
        "normal or low, `analyze` names a profile; what else there is comes back with HEAD.",
        json_schema_extra={"pattern": f"^(?:{_PAIR}(?:,{_PAIR})*)?$"},
        openapi_examples={"a name": {"value": "filename YmVhY2guanBn,priority aGlnaA=="}},
    ),
]
Checksum = Annotated[
    str | None,
    Header(
        alias="Upload-Checksum",
        description="An algorithm and the body's digest in Base64. With it the body counts whole or not at all.",
        json_schema_extra={"pattern": f"^(?:{'|'.join(ALGORITHMS)}) {_BASE64}$"},
        openapi_examples={"sha1": {"value": "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="}},
    ),
]
Concat = Annotated[
    str | None,
    Header(
        alias="Upload-Concat",
        description="`partial`: of this upload and others an image will be made. `final;` and their addresses, in order: "
        "it is made, without `Upload-Length` and without a body.",
        json_schema_extra={"pattern": f"^(?:partial|final;{_UPLOAD[:16]}\\S+( {_UPLOAD[:16]}\\S+)*)$"},
        openapi_examples={"a part": {"value": "partial"}, "the whole": {"value": f"final;{_UPLOAD} {_UPLOAD}"}},
    ),
]

HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Tus-Resumable": ("The version of tus in which this was answered.", {"const": VERSION}),
    "Tus-Version": ("The versions of tus that are spoken.", {"const": VERSION}),
    "Tus-Extension": ("The extensions of tus that are spoken.", {"const": ",".join(EXTENSIONS)}),
    "Tus-Max-Size": ("The most bytes that an upload may have.", {"type": "integer", "minimum": 1}),
    "Tus-Checksum-Algorithm": ("What `Upload-Checksum` may begin with.", {"const": ",".join(ALGORITHMS)}),
    "Upload-Offset": ("Where the upload stands, in bytes.", {"type": "integer", "minimum": 0}),
    "Upload-Length": (
        "Of the whole upload, in bytes; missing while it is deferred.",
        {"type": "integer", "minimum": 0},
    ),
    "Upload-Defer-Length": ("The length is not told yet.", {"const": "1"}),
    "Upload-Metadata": ("As it came with the creation.", {}),
    "Upload-Concat": ("As it came with the creation.", {}),
    "Upload-Expires": ("When an upload without further requests is removed (RFC 9110, 5.6.7).", {}),
    IMAGE: ("The address of the image that the upload became.", {"format": "uri-reference"}),
}

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The next bytes.",
        "content": {BODY_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}
FIRST_BODY: dict[str, Any] = {
    "requestBody": BODY["requestBody"] | {"required": False, "description": "The first bytes, or all, or none."}
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

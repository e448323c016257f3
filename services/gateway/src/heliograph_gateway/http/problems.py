"""Problem details (RFC 9457) for everything that goes wrong: one table of kinds, and which error is of which kind.

Each ``type`` is a relative reference to the page that ``meta`` serves from the same table. The kinds that other services
answer with too, and what a problem document looks like, stand in ``heliograph_common.http.problems``. Leaves out where
errors come from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from heliograph_common import errors
from heliograph_common.http.problems import FORBIDDEN, SHARED_KINDS, UNAUTHENTICATED, Kind, Problem

CHALLENGE = 'Bearer realm="heliograph"'
"""The ``WWW-Authenticate`` of a request without a token."""
_RETRY_AFTER = 5.0

INVALID_PARAMETER = Kind(
    "invalid-parameter", 400, "A parameter is not acceptable", "Mend the parameter that `errors` names."
)
INVALID_CURSOR = Kind(
    "invalid-cursor",
    400,
    "The cursor belongs to another query",
    "Start again without `cursor`; follow `Link: rel=next`.",
)
INVALID_JSON = Kind("invalid-json", 400, "The body is no JSON", "Send a JSON body as application/json.")
INVALID_MULTIPART = Kind(
    "invalid-multipart",
    400,
    "The multipart body is broken",
    "Let an HTTP library build the body: its boundary must be the one that Content-Type names, closed at the end.",
)
MISSING_FILE = Kind(
    "missing-file", 400, "The request has no file", "Send at least one part named `file`, with a filename."
)
UNKNOWN_PART = Kind(
    "unknown-part",
    400,
    "The request has a part that is not known",
    "Name pictures `file`; the fields are `priority`, `analyze` and `name`.",
)
INVALID_IDEMPOTENCY_KEY = Kind(
    "invalid-idempotency-key",
    400,
    "The Idempotency-Key is not acceptable",
    "Send one key of 1 to 255 visible ASCII characters, such as a UUID, with or without double quotes.",
)
UPLOAD_FINAL = Kind(
    "upload-final",
    403,
    "A final upload takes no bytes",
    "Send bytes to partial uploads, and concatenate them when all are there.",
)
NOT_FOUND = Kind(
    "not-found", 404, "There is no such thing", "Check the id; things of other owners look as if they did not exist."
)
UNKNOWN_ROUTE = Kind("unknown-route", 404, "There is no such route", "See /openapi.json for the routes that there are.")
NOT_RENDERED = Kind(
    "not-rendered-yet",
    404,
    "The rendition is not there yet",
    "Come back after the seconds in Retry-After, or listen on /v1/events; a failed image can be retried.",
)
BODY_TIMEOUT = Kind(
    "body-timeout", 408, "The body stopped arriving", "Send the request again over a connection that makes progress."
)
CONFLICT = Kind("conflict", 409, "The state forbids the request", "Read the thing again and decide anew.")
IDEMPOTENCY_IN_FLIGHT = Kind(
    "idempotency-in-flight",
    409,
    "The first request with this Idempotency-Key is not answered yet",
    "Send the same request again after Retry-After seconds.",
)
OFFSET_MISMATCH = Kind(
    "offset-mismatch",
    409,
    "The upload does not stand at that offset",
    "Ask with HEAD for its `Upload-Offset`, and go on from there.",
)
UPLOAD_NOT_THERE = Kind(
    "upload-not-there",
    409,
    "The file has not arrived yet",
    "PUT the file to the address in `upload.url`, wait for its 200, then complete the upload again.",
)
UPLOAD_EXPIRED = Kind(
    "upload-expired",
    410,
    "The upload was not finished in time",
    "Begin a new upload and finish it before `expires_at`.",
)
UPLOAD_REFUSED = Kind(
    "upload-refused",
    410,
    "The upload was no picture that is taken",
    "Do what `refusal` says, and begin a new upload.",
)
PRECONDITION_FAILED = Kind(
    "precondition-failed", 412, "It has changed meanwhile", "Read it again and send the new ETag in If-Match."
)
TUS_VERSION = Kind(
    "tus-version", 412, "This version of tus is not spoken", "Send the version in `Tus-Version` as `Tus-Resumable`."
)
IMAGE_TOO_LARGE = Kind(
    "image-too-large",
    413,
    "The picture exceeds a limit",
    "Scale it down, or have the limit that `detail` names raised.",
)
BODY_TOO_LARGE = Kind(
    "body-too-large", 413, "The body exceeds a limit", "Send fewer or smaller files, or have the limit raised."
)
TOO_MANY_FILES = Kind(
    "too-many-files",
    413,
    "The request has too many files",
    "Send the rest in another request, or have the limit raised.",
)
TOO_MANY_PARTS = Kind(
    "too-many-parts",
    413,
    "The upload is in too many parts",
    "Send all that is left in one request; send larger parts the next time.",
)
UNSUPPORTED_MEDIA_TYPE = Kind(
    "unsupported-media-type", 415, "The body is of a type that is not taken", "Use a type that `detail` lists."
)
UNSUPPORTED_IMAGE = Kind(
    "unsupported-image", 415, "The bytes are no picture that we render", "Convert it to a format that `detail` lists."
)
INVALID_BODY = Kind("invalid-body", 422, "The body is not acceptable", "Mend the fields that `errors` names.")
IDEMPOTENCY_MISMATCH = Kind(
    "idempotency-mismatch",
    422,
    "The Idempotency-Key was used for another request",
    "Use a new key for every new request, and the old one only to repeat the very same.",
)
UPLOAD_MISMATCH = Kind(
    "upload-mismatch",
    422,
    "The file is not the one that was announced",
    "Announce size and hash of the very bytes that you send, in a new upload, and PUT them unchanged.",
)
BAD_IMAGE = Kind("bad-image", 422, "The picture is broken", "Export the picture anew and send it again.")
EMPTY_IMAGE = Kind("empty-image", 422, "The file is empty", "Choose another file.")
TUS_CHECKSUM_MISMATCH = Kind(
    "tus-checksum-mismatch",
    460,  # tus' own
    "The bytes are not those of their checksum",
    "Send the same bytes again from the same offset.",
)
RATE_LIMITED = Kind(
    "rate-limited",
    429,
    "Too many requests",
    "Send it again after Retry-After seconds. RateLimit tells after each request how many more are taken at once.",
)
INTERNAL = Kind(
    "internal-error", 500, "Something went wrong on our side", "Tell whoever runs this installation the `trace_id`."
)
BLOBS_UNAVAILABLE = Kind(
    "object-store-unavailable", 503, "The object store is away", "Send the request again after Retry-After seconds."
)
DATABASE_UNAVAILABLE = Kind(
    "database-unavailable", 503, "The database is away", "Send the request again after Retry-After seconds."
)
BUS_UNAVAILABLE = Kind(
    "nats-unavailable", 503, "NATS is away", "Send the request again after Retry-After seconds; uploads still work."
)
UNAVAILABLE = Kind("unavailable", 503, "A server is away", "Send the request again after Retry-After seconds.")

KINDS: dict[str, Kind] = {kind.slug: kind for kind in [*SHARED_KINDS, *globals().values()] if isinstance(kind, Kind)}

_KIND_OF: tuple[tuple[type[errors.HeliographError], Kind], ...] = (  # the first that matches; subclasses come first
    (errors.EmptyImage, EMPTY_IMAGE),
    (errors.BadImage, BAD_IMAGE),
    (errors.UnsupportedImage, UNSUPPORTED_IMAGE),
    (errors.ImageTooLarge, IMAGE_TOO_LARGE),
    (errors.NotFound, NOT_FOUND),
    (errors.Conflict, CONFLICT),
    (errors.Stale, CONFLICT),
    (errors.Unauthenticated, UNAUTHENTICATED),
    (errors.Forbidden, FORBIDDEN),
    (errors.BusUnavailable, BUS_UNAVAILABLE),
    (errors.BlobsUnavailable, BLOBS_UNAVAILABLE),
    (errors.BlobUnreadable, BLOBS_UNAVAILABLE),
    (errors.DatabaseUnavailable, DATABASE_UNAVAILABLE),
    (errors.Temporary, UNAVAILABLE),
    (errors.HeliographError, INTERNAL),
)


def problem_of(error: errors.HeliographError) -> Problem:
    """``error`` as clients see it. What servers say in ``Unavailable`` errors stays in the log: it names addresses."""
    kind = next(kind for of, kind in _KIND_OF if isinstance(error, of))
    headers = {}
    detail = str(error)
    if kind is UNAUTHENTICATED:
        headers["WWW-Authenticate"] = f'{CHALLENGE}, error="invalid_token"'
    if isinstance(error, errors.Temporary):
        headers["Retry-After"] = str(math.ceil(max(error.delay or 0.0, _RETRY_AFTER)))
        detail = f"{kind.title}: try again in {headers['Retry-After']} seconds"
    if kind is INTERNAL:
        detail = "the request could not be handled"
    extra = {}
    if isinstance(error, errors.RejectedImage) and ": " in detail:  # "what is wrong: what to do about it"
        detail, _, remedy = detail.rpartition(": ")
        extra = {"remedy": f"{remedy[:1].upper()}{remedy[1:]}."}
    return Problem(kind, detail, headers=headers, extra=extra)


def problem_of_body(body: Mapping[str, Any]) -> Problem:
    """The problem whose ``body()`` was kept; its trace is that of the present request."""
    own = {"type", "title", "status", "detail", "trace_id"}
    extra = {name: value for name, value in body.items() if name not in own}
    return Problem(KINDS[body["type"].rpartition("/")[2]], body["detail"], extra=extra, status=body["status"])


def page(kind: Kind) -> str:
    """The page that explains a kind of problem."""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{kind.title}</title>"
        f"<h1>{kind.title}</h1><p>HTTP status {kind.status}, type <code>{kind.type}</code>."
        f"<h2>What to do</h2><p>{_code(kind.remedy)}</html>"
    )


def _code(text: str) -> str:
    parts = text.replace("<", "&lt;").split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))

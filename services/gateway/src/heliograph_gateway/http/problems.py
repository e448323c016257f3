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
from heliograph_common.http.problems import FORBIDDEN, SHARED_KINDS, UNAUTHENTICATED, Kind, Problem, sentence

CHALLENGE = 'Bearer realm="heliograph"'
"""The ``WWW-Authenticate`` of a request without a token."""
_RETRY_AFTER = 5.0
_SEND_AGAIN = "Send the request again after the number of seconds in `Retry-After`."

INVALID_PARAMETER = Kind("invalid-parameter", 400, "Invalid parameter", "Correct the parameters listed in `errors`.")
INVALID_CURSOR = Kind(
    "invalid-cursor",
    400,
    "Invalid cursor",
    "Request the first page again without `cursor`, then follow the `next` link of each page.",
)
INVALID_JSON = Kind(
    "invalid-json", 400, "Body is not valid JSON", "Send a valid JSON body with `Content-Type: application/json`."
)
INVALID_MULTIPART = Kind(
    "invalid-multipart",
    400,
    "Invalid multipart body",
    "Build the body with an HTTP library: it must use the boundary named in `Content-Type` and end with it.",
)
MISSING_FILE = Kind("missing-file", 400, "Missing file", "Send at least one file as a part named `file`.")
UNKNOWN_PART = Kind(
    "unknown-part",
    400,
    "Unknown multipart part",
    "Name each image part `file`. The other supported parts are `priority`, `analyze` and `name`.",
)
INVALID_IDEMPOTENCY_KEY = Kind(
    "invalid-idempotency-key",
    400,
    "Invalid Idempotency-Key",
    "Send a single key of 1 to 255 visible ASCII characters, such as a UUID. Double quotes around it are optional.",
)
UPLOAD_FINAL = Kind(
    "upload-final",
    403,
    "Final upload cannot be modified",
    "Send the bytes to partial uploads, then concatenate them into a new final upload.",
)
NOT_FOUND = Kind(
    "not-found", 404, "Not found", "Check the id. Resources that belong to other owners are reported as not found."
)
UNKNOWN_ROUTE = Kind("unknown-route", 404, "Route not found", "See /openapi.json for the available routes.")
NOT_RENDERED = Kind(
    "not-rendered-yet",
    404,
    "Rendition not available yet",
    "Wait for the number of seconds in `Retry-After`, or for an event on /v1/events. If the image has failed, retry it.",
)
WORD_IMAGE_NOT_FOUND = Kind(
    "word-image-not-found",
    404,
    "No image found for the word",
    "Wait until `search_again_at`, or name a photo with `POST /v1/words/{word_id}/image`. To search at once, send `DELETE` "
    "for it first.",
)
BODY_TIMEOUT = Kind(
    "body-timeout", 408, "Request body timed out", "Send the request again over a more reliable connection."
)
CONFLICT = Kind(
    "conflict", 409, "Conflict with current state", "Fetch the resource again and check its state before you retry."
)
TOO_MANY_IMPORTS = Kind(
    "too-many-imports",
    409,
    "Too many active imports",
    "Wait until one of your imports has ended, or cancel one of them.",
)
IDEMPOTENCY_IN_FLIGHT = Kind(
    "idempotency-in-flight",
    409,
    "Request with this Idempotency-Key is in progress",
    "Send the same request again after the number of seconds in `Retry-After`.",
)
OFFSET_MISMATCH = Kind(
    "offset-mismatch",
    409,
    "Upload offset mismatch",
    "Send a HEAD request to the upload and continue from the `Upload-Offset` that it returns.",
)
UPLOAD_NOT_THERE = Kind(
    "upload-not-there",
    409,
    "File not uploaded yet",
    "Send the file to `upload.url` with PUT, wait for status 200, then complete the upload again.",
)
UPLOAD_EXPIRED = Kind(
    "upload-expired", 410, "Upload expired", "Create a new upload and finish it before its expiry time."
)
UPLOAD_REFUSED = Kind(
    "upload-refused",
    410,
    "Upload rejected: not a supported image",
    "Follow the remedy in `refusal`, then create a new upload.",
)
PRECONDITION_FAILED = Kind(
    "precondition-failed",
    412,
    "Resource has changed",
    "Fetch the resource again and send its current ETag in `If-Match`.",
)
TUS_VERSION = Kind(
    "tus-version", 412, "Unsupported tus version", "Send `Tus-Resumable` with a version listed in `Tus-Version`."
)
IMAGE_TOO_LARGE = Kind(
    "image-too-large",
    413,
    "Image too large",
    "Scale the image down, or ask an administrator to raise the limit named in `detail`.",
)
BODY_TOO_LARGE = Kind(
    "body-too-large",
    413,
    "Request body too large",
    "Send fewer or smaller files, or ask an administrator to raise the limit.",
)
TOO_MANY_FILES = Kind(
    "too-many-files",
    413,
    "Too many files",
    "Send the remaining files in another request, or ask an administrator to raise the limit.",
)
TOO_MANY_PARTS = Kind(
    "too-many-parts",
    413,
    "Too many upload parts",
    "Send all remaining bytes in one request. Use larger requests for the next upload.",
)
UNSUPPORTED_MEDIA_TYPE = Kind(
    "unsupported-media-type", 415, "Unsupported media type", "Send one of the media types listed in `detail`."
)
UNSUPPORTED_IMAGE = Kind(
    "unsupported-image",
    415,
    "Unsupported image format",
    "Convert the image to one of the formats listed in `detail`.",
)
INVALID_BODY = Kind("invalid-body", 422, "Invalid request body", "Correct the fields listed in `errors`.")
IDEMPOTENCY_MISMATCH = Kind(
    "idempotency-mismatch",
    422,
    "Idempotency-Key reused for a different request",
    "Use a new key for each new request. Reuse a key only to repeat an identical request.",
)
UPLOAD_MISMATCH = Kind(
    "upload-mismatch",
    422,
    "File does not match the upload",
    "Create a new upload with the size and SHA-256 of the file, then PUT that file unchanged.",
)
BAD_IMAGE = Kind("bad-image", 422, "Image is damaged", "Export the image again and upload the new file.")
EMPTY_IMAGE = Kind("empty-image", 422, "File is empty", "Upload a file that contains an image.")
TUS_CHECKSUM_MISMATCH = Kind(
    "tus-checksum-mismatch",
    460,  # tus' own
    "Checksum mismatch",
    "Send the same bytes again at the same offset.",
)
RATE_LIMITED = Kind(
    "rate-limited",
    429,
    "Too many requests",
    "Send the request again after the number of seconds in `Retry-After`. The `RateLimit` header of each response shows how "
    "many requests remain.",
)
INTERNAL = Kind(
    "internal-error",
    500,
    "Internal server error",
    "Report the `trace_id` to the administrator of this installation.",
)
ANALYSIS_FAILED = Kind(
    "analysis-failed",
    500,
    "Analysis failed",
    "Send the request again later. If it keeps failing, report the `trace_id` to the administrator of this installation.",
)
USER_SERVICE_FAILED = Kind(
    "user-service-failed",
    500,
    "User service failed",
    "Send the request again. The entry is kept, and delivered once.",
)
ANALYSIS_UNAVAILABLE = Kind(
    "analysis-unavailable",
    503,
    "Analysis unavailable",
    "Send the request without `Prefer: wait`: the analysis is queued and done once a model is available. For "
    "`missing credentials`, ask an administrator to configure the analyzer's API key.",
)
BLOBS_UNAVAILABLE = Kind("object-store-unavailable", 503, "Object store unavailable", _SEND_AGAIN)
DATABASE_UNAVAILABLE = Kind("database-unavailable", 503, "Database unavailable", _SEND_AGAIN)
BUS_UNAVAILABLE = Kind("nats-unavailable", 503, "NATS unavailable", f"{_SEND_AGAIN} Uploads are not affected.")
UNAVAILABLE = Kind("unavailable", 503, "Service unavailable", _SEND_AGAIN)

KINDS: dict[str, Kind] = {kind.slug: kind for kind in [*SHARED_KINDS, *globals().values()] if isinstance(kind, Kind)}

INTERNAL_DETAIL = "The server could not complete the request."

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
        detail = f"{kind.title}. Try again in {headers['Retry-After']} seconds."
    if kind is INTERNAL:
        detail = INTERNAL_DETAIL
    extra = {}
    if isinstance(error, errors.RejectedImage) and ": " in detail:  # "what is wrong: what to do about it"
        detail, _, remedy = detail.rpartition(": ")
        extra = {"remedy": sentence(remedy)}
    return Problem(kind, sentence(detail), headers=headers, extra=extra)


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

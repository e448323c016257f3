"""What schemathesis calls a failure and is none: certain operations, one kind of answer, one reason each.

Only the standard library: ``fuzz_hooks`` reads it in ``.venv-conformance``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Excuse:
    """``failure`` is schemathesis' class. ``answer`` is the slug of a problem or, where that says it, a status; ``text`` is
    a pattern that its message or the answer's body has. Without ``operations`` it is about all."""

    operations: tuple[str, ...]
    failure: str
    answer: str | int
    reason: str
    text: str = ""

    def fits(self, operation: str, failure: str, answers: tuple[str, int], text: str) -> bool:
        """Whether it is about this failure; ``answers``: the slug and the status of what came."""
        if self.operations and operation not in self.operations:
            return False
        return failure == self.failure and self.answer in answers and bool(re.search(self.text, text))


_LISTS = (
    *("listImages", "listImports", "listImportFiles", "listDeadLetters", "listQuarantine", "listChecks"),
    *("listWords", "listVocabulary"),
)
_IMPORTS = ("startImport", "importGoogleDriveOld", "importDropboxOld")
_ANALYZED = ("analyzeImage", "analyzeFoodOld")
_UPLOADS = ("uploadImages", "uploadOld", *_ANALYZED)
_ANNOUNCED = ("createUpload", "createUploads", "createTusUpload")
_SEVERAL = ("uploadImages", "createUploads", "completeUploads")
_TUS = ("createTusUpload", "appendToTusUpload", "showTusOffset", "showTusUpload", "deleteTusUpload")

_WORDS = ("getWord", "getWordImage", "getWordImageOld")
_BY_WORD = ("searchImageOld", "clearCacheOld")

_REJECTED = "RejectedPositiveData"
_ACCEPTED = "AcceptedNegativeData"
_NO_HEADER = "MissingHeaderNotRejected"
_METHOD = "UnsupportedMethodResponse"

_SHARED = "ObjectLevelAuthorizationViolation"

_OPAQUE = "a cursor is opaque; no schema can say which ones were given out"
_PICTURE = "no schema can describe a picture"
_PROFILES = "analysis profiles are a setting"
_LIMITS = "limits are a setting"
_ENTRIES = "what is wrong with one of several is told in its entry"
_CHECKSUM = "no schema can tell a body's checksum"
_LINKS = "no schema can tell a link to a folder, or an address that servers may request"
_SOURCES = "which fields there are depends on the source"
_HEADERS = "what is in headers of tus depends on what else there is"
_UNKNOWN = "headers that are not known are passed over (RFC 9110, 5.1)"
_ONLY_UNKNOWN = r"Invalid component: in header - object with unexpected properties\n"
_VERSION = "tus has 412 for a version that is not spoken, before anything else"

EXCUSES = (
    Excuse(_LISTS, _REJECTED, "invalid-cursor", _OPAQUE),
    *(Excuse(_WORDS, _SHARED, status, "words belong to the whole installation") for status in (200, 202)),
    Excuse(
        _BY_WORD, _REJECTED, "invalid-body", "one of three members is required, and may be null", "Required, unless"
    ),
    Excuse(("listImages",), _REJECTED, "invalid-parameter", "`distance` requires `near`", "Requires `near`"),
    *(Excuse(_UPLOADS + _TUS, _REJECTED, kind, _PICTURE) for kind in ("unsupported-image", "bad-image", "empty-image")),
    Excuse(("uploadOld",), _REJECTED, "missing-file", "the part has one of three names"),
    Excuse(("uploadImages",), _REJECTED, "invalid-parameter", _PROFILES, "`analyze`"),
    Excuse(("analyzeImage",), _REJECTED, "invalid-parameter", _PROFILES, "`profile`"),
    Excuse(("analyzeImage",), _REJECTED, "invalid-body", _PROFILES, "`/profile`: (Must be|Not supported)"),
    Excuse(_ANALYZED, "ServerError", "analysis-unavailable", "no analyzer runs beside these tests"),
    Excuse(("getAnalysisUsage",), _REJECTED, "invalid-parameter", "no schema can order two days", "`from`: Must be"),
    *(Excuse(_SEVERAL, _ACCEPTED, status, _ENTRIES, '"problem":{') for status in (200, 201)),
    Excuse(_ANNOUNCED, _REJECTED, "invalid-body", _PROFILES, "analyze`: (Must be|Not supported)"),
    Excuse(_ANNOUNCED, _REJECTED, "image-too-large", _LIMITS, "Limit exceeded"),
    Excuse(_IMPORTS, _REJECTED, "invalid-body", _LINKS, "`/(url|folder_url|urls/[0-9]+)`: "),
    Excuse(("startImport",), _REJECTED, "invalid-body", _SOURCES, "(Required|Not allowed) (for|together)"),
    Excuse(("startImport", "retryImport"), _REJECTED, "invalid-body", "some sources take no token", "`/authorization`"),
    Excuse(
        ("putDisplaySizes",),
        _REJECTED,
        "invalid-body",
        "no schema can ask for unique names",
        "Must be unique|Is reserved",
    ),
    *(Excuse(_TUS, kind, 412, _VERSION) for kind in (_ACCEPTED, _NO_HEADER)),
    Excuse(("showTusAbilities", *_TUS), _METHOD, 412, _VERSION),
    Excuse(
        _TUS,
        _REJECTED,
        "invalid-parameter",
        _HEADERS,
        "Send exactly one of|must not have a body|Repeats the key|not the URL|`priority`|`analyze`",
    ),
    Excuse(_TUS, _REJECTED, "invalid-parameter", _CHECKSUM, "`Upload-Checksum`: (Must begin|Has)"),
    Excuse(_TUS, _REJECTED, "tus-checksum-mismatch", _CHECKSUM),
    Excuse(_TUS, _REJECTED, "body-too-large", "the body depends on `Upload-Length`, and limits are a setting"),
    Excuse(_TUS, _REJECTED, "image-too-large", _LIMITS),
    *(Excuse((), _ACCEPTED, status, "it is refused: for its size, or for its checksum") for status in (413, 460)),
    *(Excuse((), _ACCEPTED, status, _UNKNOWN, _ONLY_UNKNOWN) for status in (200, 201, 202, 204, 412)),
)

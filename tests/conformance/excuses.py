"""What schemathesis calls a failure and is none: one operation, one kind of problem, one reason each.

Only the standard library: ``fuzz_hooks`` reads it in ``.venv-conformance``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Excuse:
    """``failure`` is schemathesis' class, ``problem`` the slug of the answer's type, ``detail`` a pattern of its detail;
    ``status``, instead of these, is for answers that have no body."""

    operation: str
    failure: str
    problem: str
    reason: str
    detail: str = ""
    status: int = 0

    def fits(self, operation: str, failure: str, status: int, problem: dict[str, object]) -> bool:
        """Whether it is about this failure."""
        if (operation, failure) != (self.operation, self.failure):
            return False
        if self.status:
            return status == self.status
        told = bool(re.search(self.detail, str(problem.get("detail"))))
        return told and problem.get("type") == f"/problems/{self.problem}"


_OPAQUE = "a cursor is opaque; no schema can say which ones were given out"
_PICTURE = "no schema can describe a picture"
_REJECTED = "RejectedPositiveData"
_ACCEPTED = "AcceptedNegativeData"
_HEADER = "MissingHeaderNotRejected"
_TUS = "tus has 412 for a version that is not spoken"
_TUS_OPERATIONS = ("createTusUpload", "appendToTusUpload", "showTusOffset", "showTusUpload", "deleteTusUpload")

EXCUSES = (
    *(Excuse(name, kind, "", _TUS, status=412) for name in _TUS_OPERATIONS for kind in (_ACCEPTED, _HEADER)),
    Excuse("listImages", _REJECTED, "invalid-cursor", _OPAQUE),
    Excuse("listDeadLetters", _REJECTED, "invalid-cursor", _OPAQUE),
    Excuse("listImages", _REJECTED, "invalid-parameter", "`distance` needs `near`", "needs `near`"),
    *(Excuse("uploadImages", _REJECTED, kind, _PICTURE) for kind in ("unsupported-image", "bad-image", "empty-image")),
    Excuse("uploadImages", _REJECTED, "invalid-parameter", "profiles are a setting", "`analyze`"),
    Excuse(
        "putDisplaySizes", _REJECTED, "invalid-body", "no schema can ask for unique names", "is used twice|own name"
    ),
)

"""Every error of this package. A message is one line that ends with what to do.

HeliographError
├── NotConfigured           no address of a server was found
│   └── InsecureFile        the connection file could have been read or written by others
├── Unreachable             no server answers at the address
├── WaitTimeout             the image or import was not finished in time
├── SourceChanged           what is uploaded became shorter while it was sent
├── EventsRefused           the event stream was closed for good (close codes 40xx and 1008)
├── UnexpectedAnswer        the answer is not one of this API, or of a much newer version
└── ProblemError            the server refused: `.problem` says why (RFC 9457)
    ├── Unauthorised        401, 403: the token is missing, expired or lacks a scope
    ├── NotFound            404: the resource does not exist, or belongs to another owner
    │   ├── NotRendered     404: the rendition does not exist yet
    │   └── WordImageMissing  404: no image was found for the word lately
    ├── Conflict            409, 412: the state of the resource forbids the request
    ├── Rejected            400, 413, 415, 422: the input is invalid
    └── Unavailable         429, 5xx: try again later; this client has retried already
        └── AnalysisUnavailable  503: no model is available for an analysis that is waited for; not retried
"""

from __future__ import annotations

from heliograph_client.models import Problem


class HeliographError(Exception):
    """Base of all errors of this package."""


class NotConfigured(HeliographError):
    """No address of a server was found: set one, or start the embedded stack."""


class InsecureFile(NotConfigured):
    """The connection file is not private: restrict its permissions, or delete it."""


class Unreachable(HeliographError):
    """No server answers at the address: check it, and that the server is running."""


class WaitTimeout(HeliographError):
    """The image was not finished in time: wait longer, or check the queue."""


class SourceChanged(HeliographError):
    """What is uploaded became shorter while it was sent: upload it again once it no longer changes."""


class EventsRefused(HeliographError):
    """The server closed the event stream for good; ``code`` is the close code (RFC 6455, 7.4)."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class UnexpectedAnswer(HeliographError):
    """The answer is not one of this API: check the address and the version of the server."""


class ProblemError(HeliographError):
    """The server refused; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Unauthorised(ProblemError):
    """The token is missing, expired or lacks a scope: request one from the operator of the server."""


class NotFound(ProblemError):
    """The resource does not exist, or belongs to another owner: check the ID."""


class NotRendered(NotFound):
    """The rendition does not exist yet: wait until the image is complete."""


class WordImageMissing(NotFound):
    """No image was found for the word lately: name a photo, or search again."""

    @property
    def search_again_at(self) -> str | None:
        """When the word is searched for again by itself."""
        return (self.problem.model_extra or {}).get("search_again_at")


class Conflict(ProblemError):
    """The state of the resource forbids the request: read it again, then decide."""


class Rejected(ProblemError):
    """The input is invalid: correct it as the message says."""


class Unavailable(ProblemError):
    """The server is busy or unavailable: try again later."""


class AnalysisUnavailable(Unavailable):
    """No model is available for an analysis that is waited for: leave out the wait, and it is queued."""


def problem_error(problem: Problem) -> ProblemError:
    """The error of the class that fits ``problem``."""
    if problem.type.endswith("/not-rendered-yet"):
        return NotRendered(problem)
    if problem.type.endswith("/word-image-not-found"):
        return WordImageMissing(problem)
    if problem.type.endswith("/analysis-unavailable"):
        return AnalysisUnavailable(problem)
    if problem.status >= 500:
        return Unavailable(problem)
    return _BY_STATUS.get(problem.status, ProblemError)(problem)


_BY_STATUS: dict[int, type[ProblemError]] = {
    400: Rejected,
    401: Unauthorised,
    403: Unauthorised,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    413: Rejected,
    415: Rejected,
    422: Rejected,
    429: Unavailable,
}

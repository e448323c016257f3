"""Every error of this package. A message is one line that ends with what to do.

HeliographError
├── NotConfigured           no address of a server was found
│   └── InsecureFile        the connection file could have been read or written by others
├── Unreachable             no server answers there
├── WaitTimeout             the image was not finished in time
├── SourceChanged           what is uploaded became shorter while it was sent
├── EventsRefused           the event stream was closed for good (close codes 40xx and 1008)
├── UnexpectedAnswer        it is no Heliograph that answers, or a much newer one
└── ProblemError            the server refused: `.problem` says why (RFC 9457)
    ├── Unauthorised        401, 403: the token is missing, expired or lacks a scope
    ├── NotFound            404: there is no such thing, or it is someone else's
    │   └── NotRendered     404: the rendition is not there yet
    ├── Conflict            409, 412: its state forbids the request
    ├── Rejected            400, 413, 415, 422: the input is at fault
    └── Unavailable         429, 5xx: trying later can help; this client has tried several times
"""

from __future__ import annotations

from heliograph_client.models import Problem


class HeliographError(Exception):
    """Anything that this package raises on purpose."""


class NotConfigured(HeliographError):
    """No address of a server was found: name one, or start the embedded stack."""


class InsecureFile(NotConfigured):
    """The connection file is not private: make it so, or delete it."""


class Unreachable(HeliographError):
    """No server answers at the address: look whether it is the right one and whether the server runs."""


class WaitTimeout(HeliographError):
    """The image was not finished in time: wait longer, or look at the queue."""


class SourceChanged(HeliographError):
    """What is uploaded became shorter while it was sent: upload it again once nobody writes to it."""


class EventsRefused(HeliographError):
    """The server closed the event stream for good; ``code`` is the close code (RFC 6455, 7.4)."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class UnexpectedAnswer(HeliographError):
    """The answer is not of this API: check the address, and the server's version."""


class ProblemError(HeliographError):
    """The server refused; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Unauthorised(ProblemError):
    """The token is missing, expired or lacks a scope: get another one from whoever runs the server."""


class NotFound(ProblemError):
    """There is no such thing, or it is someone else's: check the id."""


class NotRendered(NotFound):
    """The rendition is not there yet: wait for the image to be complete."""


class Conflict(ProblemError):
    """The state of the thing forbids the request: read it again and decide anew."""


class Rejected(ProblemError):
    """The input is at fault: mend it as the message says."""


class Unavailable(ProblemError):
    """The server is busy or broken: try again later."""


def problem_error(problem: Problem) -> ProblemError:
    """The error of the class that fits ``problem``."""
    if problem.type.endswith("/not-rendered-yet"):
        return NotRendered(problem)
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

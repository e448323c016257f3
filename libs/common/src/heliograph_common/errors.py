"""The whole tree of errors. Each says in one sentence what to do; adapters translate vendors' errors into these.

Two kinds decide what happens to a message: ``Permanent`` is recorded, dead-lettered and terminated; ``Temporary`` is
delivered again after a delay, a bounded number of times.

    HeliographError
    ├── Permanent
    │   ├── RejectedImage
    │   │   ├── BadImage ── EmptyImage
    │   │   ├── UnsupportedImage
    │   │   └── ImageTooLarge
    │   ├── MalformedMessage
    │   ├── Unpublishable
    │   ├── NotFound
    │   └── Conflict
    ├── Temporary
    │   ├── BlobUnreadable
    │   ├── RemoteFailure
    │   └── Unavailable
    │       ├── BusUnavailable ── StreamFull
    │       ├── BlobsUnavailable
    │       └── DatabaseUnavailable
    ├── Stale
    └── Unauthenticated / Forbidden
"""

from __future__ import annotations


class HeliographError(Exception):
    """Anything that Heliograph raises on purpose; the message names the remedy."""


class Permanent(HeliographError):
    """Trying again cannot help: correct the input or the request."""


class Temporary(HeliographError):
    """Trying again can help: wait ``delay`` seconds first (``None`` leaves the wait to the caller)."""

    def __init__(self, message: str, *, delay: float | None = None) -> None:
        super().__init__(message)
        self.delay = delay


class RejectedImage(Permanent):
    """The picture is at fault, not the service: the message says what to change about it."""


class BadImage(RejectedImage):
    """The bytes are broken: export the picture again and send it again."""


class EmptyImage(BadImage):
    """The file has no bytes: choose another file."""


class UnsupportedImage(RejectedImage):
    """The bytes are no picture of a format that we render: convert it to one that the message lists."""


class ImageTooLarge(RejectedImage):
    """Bytes, pixels or frames exceed a limit: scale the picture down or have the limit raised."""


class MalformedMessage(Permanent):
    """A message does not match its contract: compare the versions of its sender and of this service."""


class Unpublishable(Permanent):
    """No server will ever store this message: fix what its reason names, such as its size, and send it again."""


class NotFound(Permanent):
    """There is no such thing, or it belongs to someone else: check the id."""


class Conflict(Permanent):
    """The state of the resource forbids the request: read it again, then decide."""


class BlobUnreadable(Temporary):
    """The object store serves others and fails on this object: check that object; it counts as a failed attempt."""


class RemoteFailure(Temporary):
    """A server outside the installation failed: that says nothing about this service, which need not pause for it."""


class Unavailable(Temporary):
    """A server that the work needs is away: workers hold what they have and wait; nothing is counted as an attempt."""


class BusUnavailable(Unavailable):
    """NATS cannot be reached or does not acknowledge: check the NATS servers."""


class StreamFull(BusUnavailable):
    """A stream or its disk is full: give JetStream more storage or let the workers catch up."""


class BlobsUnavailable(Unavailable):
    """The object store cannot be reached or refuses: check the S3 endpoint and its credentials."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL cannot be reached, is read-only or too busy: check the server, its load and its connection limit."""


class Stale(HeliographError):
    """A newer attempt owns the row: drop the result of this one."""


class Unauthenticated(HeliographError):
    """The token is missing or not acceptable: get a new one from your issuer."""


class Forbidden(HeliographError):
    """The token is good but lacks the scope that the message names: ask an administrator for it."""

"""What the search for pictures needs of a provider of photos, and what may go wrong there.

An adapter translates its vendor's answers into ``Photo`` and these errors at its edge. Each call makes one request at most,
bounds each wait on a server, and is never tried again by the adapter: its caller has paid for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from heliograph_common.contracts.word_messages import Photo
from heliograph_common.errors import Permanent, RemoteFailure, Temporary

MISSING_KEY, REFUSED_KEY = "missing access key", "the access key was refused"
"""Why words wait for a key, as it is stored and shown."""


class KeyMissing(Temporary):
    """No API key is configured: have an administrator set it. No request was made."""


class KeyRefused(Temporary):
    """The provider does not accept the API key: have an administrator replace it. ``asked``: a request was made."""

    def __init__(self, message: str, *, asked: bool = True) -> None:
        super().__init__(message)
        self.asked = asked


class RateLimited(Temporary):
    """The provider wants no more requests for ``delay`` seconds (``None``: it does not say for how long)."""


class ProviderFailed(RemoteFailure):
    """The provider did not answer, answered with an error of its own, broke off, or sent something else than its API says:
    try again later."""


class Missing(Permanent):
    """There is no such photo (any more): choose another."""


class Rejected(Permanent):
    """The provider will never answer this request: change the word's text."""


class PhotoProvider(Protocol):
    """A provider of photos. Methods may be called side by side.

    All providers of an installation that make requests share one budget, with one hourly quota, one pause and one key to
    wait for: what is sent is decided for the queue as a whole, before anybody knows whom the next step asks. One that is to
    have a quota of its own needs a dispatcher that decides by each row's next step."""

    @property
    def name(self) -> str:
        """Its name in photos: ``unsplash``."""

    @property
    def budget(self) -> str | None:
        """The budget to which its requests are charged; ``None``: it makes none."""

    def waits_for(self) -> str | None:
        """Why no request can be made now, such as a missing key; ``None``: nothing speaks against it."""

    def rest(self) -> float | None:
        """Seconds for which it will answer no more, by what it said with the answers since the last call; ``None``: it did
        not say so."""

    async def search(self, query: str, *, language: str | None) -> Sequence[Photo]:
        """Photos for a query in a language (BCP 47; ``None``: unknown), the best first by the provider's relevance.

        Raises:
            KeyMissing, KeyRefused, RateLimited, ProviderFailed, Rejected: see there.
        """

    async def photo(self, photo_id: str) -> Photo:
        """The photo with that id.

        Raises:
            Missing: there is none, or none that may be taken.
            KeyMissing, KeyRefused, RateLimited, ProviderFailed, Rejected: see there.
        """

    async def download(self, photo: Photo) -> str:
        """Tells the provider that the photo is used; returns the URL of its file.

        Raises:
            Missing: the provider has taken it away.
            KeyMissing, KeyRefused, RateLimited, ProviderFailed, Rejected: see there.
        """

    def file_url(self, photo: Photo) -> str:
        """The URL of its file once the provider knows that it is used; makes no request."""

    async def close(self) -> None:
        """Ends its connections."""

"""What a URL may be for a request, and where a redirect may lead. Pure.

``http`` and ``https``, without user name and password. Any port from 1024 on, 80 and 443: the ports between belong to other
protocols, such as mail, whose servers might take a request for something else. The host may be anything: what it resolves to
is judged, as connections are made (``network``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import httpx2

from heliograph_common.outbound.errors import RedirectRefused, UrlRefused

LONGEST = 8_000
"""Characters of a URL. Signed addresses, to which redirects lead, have some thousands."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FIRST_UNPRIVILEGED = 1024
_LAST = 65_535
_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]*:[0-9a-f:.]*")
"""A name or a number, or an address of IPv6 (without its brackets)."""
_SHOWN = 200


@dataclass(frozen=True)
class Target:
    """Where a request goes: ``path`` as it is sent, with the query."""

    url: httpx2.URL
    scheme: str
    host: str
    port: int
    path: bytes

    @property
    def authority(self) -> str:
        """The header ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The URL for messages: without its query, which may carry a secret."""
        path = self.path.decode("ascii", errors="replace").partition("?")[0]
        return f"{self.scheme}://{self.authority}{path}"[:_SHOWN]

    def redirected(self, location: str) -> Target:
        """Where ``location`` leads from here.

        Raises:
            RedirectRefused: it is not followed.
        """
        try:
            target = read(str(self.url.join(location)))
        except (httpx2.InvalidURL, ValueError) as error:
            raise RedirectRefused(f"{self.shown} redirects to what is not a URL: use the final address") from error
        except UrlRefused as error:
            raise RedirectRefused(f"{self.shown} redirects to a URL that is refused: {error}") from error
        if self.scheme == "https" and target.scheme != "https":
            raise RedirectRefused(
                f"{self.shown} redirects from https to http: use the final address, if http is good enough"
            )
        return target


def read(url: str) -> Target:
    """What ``url`` says.

    Raises:
        UrlRefused: it may not be requested; the message names the remedy.
    """
    if len(url) > LONGEST:
        raise UrlRefused(f"the URL is longer than {LONGEST:,} characters: use a shorter one")
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise UrlRefused("the text is not a URL: write one such as https://example.com/picture.jpg") from error
    if parsed.scheme not in _DEFAULT_PORTS:
        raise UrlRefused("the URL begins neither with http:// nor with https://: use one that does")
    if parsed.userinfo:
        raise UrlRefused("the URL has a user name or a password: use one without")
    # One dot at the end only says that the name is complete; certificates and server names do not have it.
    host = parsed.raw_host.decode("ascii").removesuffix(".").lower()
    if not _HOST.fullmatch(host):
        raise UrlRefused("the URL has no valid host name: write one such as https://example.com/picture.jpg")
    port = _DEFAULT_PORTS[parsed.scheme] if parsed.port is None else parsed.port
    if port not in _DEFAULT_PORTS.values() and not _FIRST_UNPRIVILEGED <= port <= _LAST:
        raise UrlRefused(f"port {port} is not requested: use 80, 443, or one from {_FIRST_UNPRIVILEGED} to {_LAST}")
    return Target(parsed, parsed.scheme, host, port, parsed.raw_path)

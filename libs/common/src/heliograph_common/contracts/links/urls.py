"""Addresses of lists, checked and written in one way without asking anyone. What a host resolves to is judged by
``outbound``, when it is requested."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import SplitResult, urlsplit

LONGEST = 2_000
"""Characters of an address."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FIRST_UNPRIVILEGED = 1024
_NOT_IN_HOSTS = re.compile(r"[\s%\"<>\\^`{|}]")


def normalize(url: str) -> str:
    """The address with scheme and host in lower case, without a default port and without the fragment, so that one address
    is one file. Path and query stay as they are: servers may tell their spellings apart.

    Raises:
        ValueError: it is no address of a file on the web; the message names the remedy.
    """
    url = unicodedata.normalize("NFC", url.strip())
    if len(url) > LONGEST:
        raise ValueError(f"the URL is longer than {LONGEST:,} characters: use a shorter one")
    if any(unicodedata.category(each) in {"Cc", "Cs"} for each in url):
        raise ValueError("the URL contains control characters: remove them")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError("the text is not a URL: write one such as https://example.com/picture.jpg") from error
    _check(parts, host, port)
    authority = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        authority += f":{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{authority}{parts.path or '/'}{query}"


def _check(parts: SplitResult, host: str, port: int | None) -> None:
    """Raises ``ValueError`` as ``normalize`` does."""
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("the URL begins neither with http:// nor with https://: use one that does")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the URL contains a user name or a password: use one without")
    if not host.strip(".") or _NOT_IN_HOSTS.search(host):
        raise ValueError("the URL has no valid host: write one such as https://example.com/picture.jpg")
    if port is not None and port not in _DEFAULT_PORTS.values() and port < _FIRST_UNPRIVILEGED:
        raise ValueError(f"port {port} is not supported: use 80, 443 or a port from {_FIRST_UNPRIVILEGED} on")

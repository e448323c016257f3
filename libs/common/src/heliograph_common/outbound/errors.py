"""What may go wrong with a request to an address that a client named. No message has the query of a URL, which may carry
a secret.

    Permanent                        Temporary
    ├── RequestRefused               └── RequestFailed
    │   ├── UrlRefused                   └── RequestTimedOut
    │   ├── AddressForbidden
    │   └── RedirectRefused
    ├── UnknownHost
    └── EncodingRefused
"""

from __future__ import annotations

from heliograph_common.errors import Permanent, Temporary


class RequestRefused(Permanent):
    """The request was not sent, because no server should send it: use a public address of the web."""


class UrlRefused(RequestRefused):
    """The URL is none that may be requested: correct what the message names."""


class AddressForbidden(RequestRefused):
    """The host has an address that is not public: use a public one, or have an administrator allow its network."""


class RedirectRefused(RequestRefused):
    """The server redirects in a way that is not followed: use the address where the redirects should end."""


class UnknownHost(Permanent):
    """There is no host of that name: check the spelling of the address."""


class EncodingRefused(Permanent):
    """The server compressed its answer although no compression was requested: have it send the file as it is."""


class RequestFailed(Temporary):
    """The host did not answer, broke off, or does not speak HTTP: try again later."""


class RequestTimedOut(RequestFailed):
    """The host, or the lookup of its name, took too long: try again later."""

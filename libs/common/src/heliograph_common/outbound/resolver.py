"""How the name of a host becomes addresses: a small port, and the system's resolver behind it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Protocol

from heliograph_common.outbound.addresses import Address
from heliograph_common.outbound.errors import RequestFailed, RequestTimedOut, UnknownHost

LOOKUP_SECONDS = 10.0
LOOKUPS = 8
"""Names that are looked up at a time."""

_UNKNOWN = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


class Resolver(Protocol):
    """Looks names up."""

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """All addresses of ``host``, the best first. Numbers in all the ways of writing them are hosts too: ``2130706433``.

        Raises:
            UnknownHost, RequestFailed: see there.
        """


class SystemResolver:
    """The resolver of the system, which is what a connection by name would ask.

    A lookup blocks a thread until it ends, whoever has stopped waiting for it. So the threads are its own: where no server
    of names answers, other work in the loop's threads goes on.
    """

    def __init__(self, seconds: float = LOOKUP_SECONDS) -> None:
        self._seconds = seconds
        self._pool = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="names")

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """See ``Resolver``."""
        try:
            async with asyncio.timeout(self._seconds):
                lookup = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
                found = await asyncio.get_running_loop().run_in_executor(self._pool, lookup)
        except TimeoutError as error:
            raise RequestTimedOut(f"the name {host} was not resolved within {self._seconds:g} s: try later") from error
        except socket.gaierror as error:
            if error.errno in _UNKNOWN:
                raise UnknownHost(f"there is no host {host}: check the spelling of the address") from error
            raise RequestFailed(f"the name {host} could not be resolved: try again later") from error
        except (OSError, UnicodeError) as error:  # a label of more than 63 characters, for one
            raise UnknownHost(f"there is no host {host[:100]}: check the spelling of the address") from error
        addresses = [ip_address(at[0]) for _, _, _, _, at in found if isinstance(at[0], str)]
        return list(dict.fromkeys(addresses))

"""Connections to checked addresses: a name is looked up once, every address that it has is checked, and the connection goes
to one of those very addresses. Nothing looks the name up again, so what DNS says later does not matter.

HTTP and TLS above go on using the name, for ``Host``, the server name and the certificate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import httpcore2

from heliograph_common.outbound.addresses import Address, AddressPolicy
from heliograph_common.outbound.errors import AddressForbidden, UnknownHost
from heliograph_common.outbound.resolver import Resolver

_MOST_TRIED = 4
"""Addresses of one host that are tried, one after another."""


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Opens the connections of an ``httpcore2`` pool."""

    def __init__(self, policy: AddressPolicy, resolver: Resolver) -> None:
        self._policy = policy
        self._resolver = resolver
        self._sockets = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connects to a checked address of ``host``.

        Raises:
            AddressForbidden: one of its addresses is not public. All have to be: which is used is up to chance.
            UnknownHost, RequestFailed: it has no address.
            httpcore2.ConnectError, httpcore2.ConnectTimeout: none answered.
        """
        addresses = await self._checked(host, port)
        failure: Exception | None = None
        try:
            async with asyncio.timeout(timeout):
                for number, address in enumerate(addresses):
                    share = None if timeout is None else timeout / (len(addresses) - number)
                    try:
                        return await self._sockets.connect_tcp(str(address), port, share, local_address, socket_options)
                    except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                        failure = error
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout from error
        raise failure or httpcore2.ConnectError

    async def _checked(self, host: str, port: int) -> Sequence[Address]:
        addresses = await self._resolver.resolve(host, port)
        if not addresses:
            raise UnknownHost(f"the host {host} has no address: check the spelling of the address")
        for address in addresses:
            if (why := self._policy.objection(address)) is not None:
                raise AddressForbidden(
                    f"the host {host} has an address {why}: use a public one, or ask an administrator to allow its network"
                )
        return addresses[:_MOST_TRIED]

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Is refused.

        Raises:
            AddressForbidden: always.
        """
        raise AddressForbidden("sockets of this host are not requested: use a public address")

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)

"""What lies between the services and their servers: a stack whose services speak through proxies, and, where this runs as
root in network and mount namespaces of its own (``isolated``), real drops of packets and a disk of a fixed size."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import DEVNULL, run
from typing import Any

from heliograph_local.services import Service
from heliograph_local.stack import Stack
from heliograph_local.testing.proxy import TcpProxy

SERVERS = ("nats", "postgres", "s3")
_ISOLATED = "HELIOGRAPH_CHAOS_ISOLATED"
_UNSHARE = ("unshare", "--net", "--mount")
_INTO = 'ip link set lo up && exec "$@"'


def isolation() -> list[str]:
    """What to put before a command so that it runs in namespaces of its own; empty where this machine allows none."""
    tools = all(shutil.which(each) for each in ("unshare", "ip", "iptables", "mount"))
    if not tools or os.getuid() or run([*_UNSHARE, "true"], stdout=DEVNULL, stderr=DEVNULL, check=False).returncode:
        return []
    return [*_UNSHARE, "env", f"{_ISOLATED}=1", "sh", "-c", _INTO, "sh"]


def isolated() -> bool:
    """Whether this process has a network and mounts of its own."""
    return os.environ.get(_ISOLATED) == "1"


class ProxiedStack(Stack):
    """A stack whose services reach each server through a proxy; tests reach the servers themselves."""

    def __init__(self, data: Path, services: Sequence[Service], **options: Any) -> None:
        super().__init__(data, services, **options)
        self.proxies = {name: TcpProxy(lambda name=name: self._port(name)) for name in SERVERS}  # type: ignore[misc]
        self._proxying = AsyncExitStack()

    async def __aenter__(self) -> ProxiedStack:
        for proxy in self.proxies.values():
            await self._proxying.enter_async_context(proxy)
        try:
            await super().__aenter__()
        except BaseException:
            await self._proxying.aclose()
            raise
        return self

    async def __aexit__(self, *details: Any) -> None:
        for proxy in self.proxies.values():
            proxy.resume()
        try:
            await super().__aexit__(*details)
        finally:
            await self._proxying.aclose()

    def environment(self, replica: str) -> dict[str, str]:
        """As the stack's, with the proxies' ports in the servers' addresses."""
        environment = super().environment(replica)
        variables = {"nats": "NATS__URL", "postgres": "DATABASE__URL", "s3": "S3__ENDPOINT"}
        for name, suffix in variables.items():
            variable = f"HELIOGRAPH_{suffix}"
            own, shown = f":{self._port(name)}", f":{self.proxies[name].port}"
            environment[variable] = shown.join(environment[variable].rsplit(own, 1))
        return environment

    def _port(self, name: str) -> int:
        return self._ports.take(name)


@asynccontextmanager
async def stalled(stack: Stack, server: str) -> AsyncIterator[None]:
    """Within the block nothing passes between the services and ``server``."""
    assert isinstance(stack, ProxiedStack)
    stack.proxies[server].pause()
    try:
        yield
    finally:
        stack.proxies[server].resume()


@asynccontextmanager
async def dropped(stack: Stack, server: str) -> AsyncIterator[None]:
    """As ``stalled``, by a firewall: handshakes are not answered and nothing is acknowledged. Only where ``isolated``."""
    assert isinstance(stack, ProxiedStack)
    port = str(stack.proxies[server].port)
    rules = [["INPUT", "-i", "lo", "-p", "tcp", side, port, "-j", "DROP"] for side in ("--dport", "--sport")]
    with ExitStack() as undo:
        for rule in rules:
            await asyncio.to_thread(_iptables, "-A", rule)
            undo.callback(_iptables, "-D", rule)
        yield


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """A file system of ``size`` bytes at ``folder``. Only where ``isolated``."""
    assert isolated()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        run(["umount", "--lazy", str(folder)], check=True)


def _iptables(action: str, rule: list[str]) -> None:
    assert isolated()
    run(["iptables", "-w", action, *rule], check=True, stdout=DEVNULL)

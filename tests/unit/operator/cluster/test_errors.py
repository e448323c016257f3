"""What the answers of an API server, or of what stands before it, become. What a real one answers is tested in
``tests/ports/test_cluster.py``; these are the answers that it gives when it is in trouble."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from lightkube import KubeConfig
from lightkube.config.models import Cluster as ServerAddress
from lightkube.config.models import User

from heliograph_operator.cluster.connection import configuration
from heliograph_operator.cluster.errors import bounded
from heliograph_operator.cluster.kubernetes import KubernetesCluster
from heliograph_operator.cluster.port import ClusterError, ClusterUnavailable, Conflict, Forbidden, NotFound

DENIED = 'pods is forbidden: User "operator" cannot list resource "pods" in API group "" in the namespace "a"'
QUOTA = 'pods "one" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=1, limited: pods=1'


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """The URL of a server. Its connections have ended at the end, or they would be found unclosed in another test."""
    handled: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handled.append(asyncio.create_task(handle(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        if handled:
            await asyncio.wait(handled, timeout=10)


@asynccontextmanager
async def answering(code: int, body: str, *headers: str) -> AsyncIterator[KubernetesCluster]:
    """A cluster whose API server always answers so."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        lines = [f"HTTP/1.1 {code} X", *headers, f"Content-Length: {len(body.encode())}", "Connection: close", "", body]
        writer.write("\r\n".join(lines).encode())

    async with serving(answer) as url:
        config = KubeConfig.from_one(cluster=ServerAddress(server=url), user=User(token="secret"))
        cluster = KubernetesCluster("default", "me", config.get())
        try:
            yield cluster
        finally:
            await cluster.close()


def status(message: str, code: int) -> str:
    """The body of a refusal."""
    return json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code})


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        (401, "Unauthorized", ClusterUnavailable),
        (403, DENIED, Forbidden),
        (403, QUOTA, ClusterError),
        (404, 'pods "one" not found', NotFound),
        (409, "the object has been modified", Conflict),
        (422, "is invalid", ClusterError),
        (429, "Too many requests, please try again later.", ClusterUnavailable),
        (500, "etcdserver: request timed out", ClusterUnavailable),
        (503, "apiserver is shutting down", ClusterUnavailable),
    ],
)
async def test_a_refusal_is_told_in_the_words_of_the_api_server(
    code: int, message: str, error: type[ClusterError]
) -> None:
    async with answering(code, status(message, code), "Content-Type: application/json") as cluster:
        with pytest.raises(ClusterError) as failed:
            await cluster.pods("app=thumbnailer")
    assert type(failed.value) is error
    assert str(failed.value).startswith(f"list pods: {message} ({code})")


@pytest.mark.parametrize(
    ("code", "body", "headers"),
    [
        (502, "<html>Bad Gateway</html>", ["Content-Type: text/html"]),
        (503, "", []),
        (500, "not JSON", ["Content-Type: application/json"]),
        (200, "<html>Welcome</html>", ["Content-Type: text/html"]),
        (200, '{"items": 7}', ["Content-Type: application/json"]),
        (200, "", []),
    ],
)
async def test_what_is_no_answer_of_an_api_server_makes_it_unavailable(
    code: int, body: str, headers: list[str]
) -> None:
    async with answering(code, body, *headers) as cluster:
        with pytest.raises(ClusterUnavailable, match=r"^list pods: "):
            await cluster.pods("app=thumbnailer")


async def test_a_call_has_a_limit_of_time() -> None:
    with pytest.raises(
        ClusterUnavailable, match=r"^get leases operator: no answer from the API server within 0\.01 s$"
    ):
        async with bounded("get leases", "operator", seconds=0.01):
            await asyncio.Event().wait()


async def test_who_cancels_a_call_is_not_told_that_the_api_server_failed() -> None:
    async def call() -> None:
        async with asyncio.timeout(0.01), bounded("get leases", "operator"):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await call()


def test_without_a_configuration_it_says_where_one_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/kubeconfig")
    with pytest.raises(ClusterError, match="run in a pod that mounts a service account's token, or set KUBECONFIG"):
        configuration()


async def test_calls_take_no_longer_than_the_cluster_is_told() -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(hang) as url:
        config = KubeConfig.from_one(cluster=ServerAddress(server=url), user=User(token="secret"))
        cluster = KubernetesCluster("default", "me", config.get(), call_seconds=0.2)
        try:
            async with asyncio.timeout(3):  # the default is 5
                with pytest.raises(ClusterUnavailable):
                    await cluster.set_deletion_cost("one", 1)
        finally:
            await cluster.close()

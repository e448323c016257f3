"""The synchronous client: the same methods, from any thread."""

from __future__ import annotations

import inspect
import threading
from pathlib import Path
from typing import get_type_hints

import pytest
from tests.unit.client.fake import FakeServer, script

from heliograph_client import AsyncClient, Client, Connection, RetryPolicy
from heliograph_client.errors import NotFound


def public(kind: type) -> set[str]:
    """Names of the methods that are for users, inherited ones among them."""
    return {name for name in dir(kind) if not name.startswith("_")}


def test_the_twins_have_the_same_methods() -> None:
    assert public(Client) - {"close"} == public(AsyncClient) - {"aclose"}
    for name in public(Client) - {"close"}:
        ours, theirs = inspect.signature(getattr(Client, name)), inspect.signature(getattr(AsyncClient, name))
        assert [str(each) for each in ours.parameters.values()] == [str(each) for each in theirs.parameters.values()], (
            name
        )
        assert get_type_hints(getattr(Client, name)).keys() == get_type_hints(getattr(AsyncClient, name)).keys()


def test_a_round_trip(fake: FakeServer, connection: Connection, policy: RetryPolicy, tmp_path: Path) -> None:
    fake.processing_reads = 2
    with Client(connection, policy=policy) as client:
        image = client.wait(client.upload(b"picture", name="p.jpg").id, 20)
        assert image.status == "complete"
        assert client.download(image.renditions[0], tmp_path / "t.jpg").read_bytes() == b"thumbnail"
        assert [each.id for each in client.list()] == [image.id]
        assert client.upload_direct(b"picture").created is False
        client.delete(image.id)
        with pytest.raises(NotFound):
            client.get(image.id)


def test_an_iterator_that_is_left(fake: FakeServer, connection: Connection, policy: RetryPolicy) -> None:
    fake.sockets.append(script(fake.event(1), fake.event(2)))
    with Client(connection, policy=policy) as client:
        for event in client.events():
            assert event.cursor == "1.1"
            break
        assert client.queue().waiting == 3


def test_no_thread_is_left(connection: Connection) -> None:
    before = set(threading.enumerate())
    client = Client(connection)
    client.close()
    client.close()
    assert "heliograph-client" not in {thread.name for thread in set(threading.enumerate()) - before}

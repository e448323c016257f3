"""The sample picture: a real JPEG, and each way that sending it can end. The API here is a script of answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import simplejpeg

from heliograph_local.connection import Connection, S3Connection
from heliograph_local.errors import LocalError
from heliograph_local.first_picture import sample_picture, send_first_picture

IMAGE = {
    "id": "01890000-0000-7000-8000-000000000001",
    "name": "sunrise.jpg",
    "source": "upload",
    "sha256": "0" * 64,
    "bytes": 1,
    "mime_type": "image/jpeg",
    "width": 2400,
    "height": 1600,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "status": "processing",
    "progress": 20,
    "stages": {"thumbnails": "pending", "variants": "pending"},
}
THUMBNAILS = IMAGE | {"progress": 60, "stages": {"thumbnails": "complete", "variants": "pending"}}
COMPLETE = IMAGE | {
    "status": "complete",
    "progress": 100,
    "stages": {"thumbnails": "complete", "variants": "complete"},
}
FAILED = IMAGE | {"status": "failed", "error": {"reason": "no such codec"}}


@contextmanager
def api(created: int, *images: dict[str, Any]) -> Iterator[Connection]:
    """Answers the upload with ``created`` and each look at the image with the next of ``images``."""
    answers = list(images)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            good = self.headers["Authorization"] == "Bearer secret" and simplejpeg.is_jpeg(body)
            self._answer(created if good else 400, IMAGE if good else {"title": "Bad request", "status": 400})

        def do_GET(self) -> None:
            self._answer(200, answers.pop(0) if len(answers) > 1 else answers[0])

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield connection_to(server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


def test_sample_is_a_jpeg_of_its_size() -> None:
    height, width, _, _ = simplejpeg.decode_jpeg_header(sample_picture(width=600, height=400))
    assert (width, height) == (600, 400)


async def test_stages_are_told_in_their_order() -> None:
    with api(201, IMAGE, THUMBNAILS, COMPLETE) as connection:
        picture = await send_first_picture(connection)
    assert str(picture.image_id) == IMAGE["id"]
    assert list(picture.stages) == ["uploaded", "thumbnails ready", "variants ready", "complete"]
    assert list(picture.stages.values()) == sorted(picture.stages.values())


async def test_second_start_knows_the_picture() -> None:
    with api(200, COMPLETE) as connection:
        picture = await send_first_picture(connection)
    assert next(iter(picture.stages)) == "already uploaded"


async def test_failed_picture_is_told_with_its_reason() -> None:
    with api(201, FAILED) as connection, pytest.raises(LocalError, match="no such codec; see: heliograph dev logs"):
        await send_first_picture(connection)


async def test_refusal_and_silence_are_told() -> None:
    with api(201, COMPLETE) as connection, pytest.raises(LocalError, match="Bad request"):
        await send_first_picture(replace(connection, token="another"))
    with pytest.raises(LocalError, match="see: heliograph dev logs gateway"):
        await send_first_picture(connection)


def connection_to(port: int) -> Connection:
    """There is no event stream here: the client looks at the image itself."""
    return Connection(
        api=f"http://127.0.0.1:{port}",
        events=f"ws://127.0.0.1:{port}/v1/events",
        token="secret",
        admin_token="",
        nats="",
        postgres="",
        s3=S3Connection("", "", "", "", ""),
        pids={},
    )

"""The sample picture: a real JPEG, and each way that sending it can end. The API here is a script of answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import simplejpeg

from heliograph_local.errors import LocalError
from heliograph_local.first_picture import sample_picture, send_first_picture

PENDING = {"thumbnail_status": "pending", "variant_status": "pending", "processing_status": "processing"}
THUMBNAILS = PENDING | {"thumbnail_status": "complete"}
COMPLETE = {"thumbnail_status": "complete", "variant_status": "complete", "processing_status": "complete"}


@contextmanager
def api(created: int, *images: dict[str, Any]) -> Iterator[str]:
    """Answers the upload with ``created`` and each look at the image with the next of ``images``."""
    answers = list(images)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            good = self.headers["Authorization"] == "Bearer secret" and simplejpeg.is_jpeg(body)
            self._answer(created if good else 400, {"id": "0192"})

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
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_sample_is_a_jpeg_of_its_size() -> None:
    height, width, _, _ = simplejpeg.decode_jpeg_header(sample_picture(width=600, height=400))
    assert (width, height) == (600, 400)


async def test_stages_are_told_in_their_order() -> None:
    with api(201, PENDING, THUMBNAILS, COMPLETE) as address:
        picture = await send_first_picture(address, "secret")
    assert picture.image_id == "0192"
    assert [stage for stage, _ in picture.stages] == ["uploaded", "thumbnails ready", "variants ready", "complete"]
    seconds = [after for _, after in picture.stages]
    assert seconds == sorted(seconds)


async def test_second_start_knows_the_picture() -> None:
    with api(200, COMPLETE) as address:
        picture = await send_first_picture(address, "secret")
    assert picture.stages[0][0] == "known already"


async def test_failed_picture_is_told_with_its_reason() -> None:
    with (
        api(201, PENDING | {"processing_status": "failed", "processing_error": "no such codec"}) as address,
        pytest.raises(LocalError, match="no such codec; see: heliograph dev logs thumbnailer"),
    ):
        await send_first_picture(address, "secret")


async def test_refusal_and_silence_are_told() -> None:
    with api(201, COMPLETE) as address, pytest.raises(LocalError, match="answered 400"):
        await send_first_picture(address, "another token")
    with pytest.raises(LocalError, match=r"does not answer .*; see: heliograph dev logs gateway"):
        await send_first_picture(address, "secret")

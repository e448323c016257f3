"""`helm test`: uploads a picture through the gateway's Service, sees it become ready on a socket of the notifier's, fetches
its renditions, and deletes it."""

import json
import os
import struct
import sys
import time
import urllib.error
import urllib.request
import zlib
from datetime import timedelta
from pathlib import Path

from websockets.sync.client import connect

from heliograph_common.auth.tokens import issue_token
from heliograph_common.settings import AuthSettings

API, EVENTS = os.environ["API"], os.environ["EVENTS"]
DEADLINE = time.monotonic() + float(os.environ["SECONDS"])
WIDTH, HEIGHT = 640, 480


def secret():
    return Path(os.environ["HELIOGRAPH_AUTH__SECRET_FILE"]).read_text(encoding="utf-8").rstrip("\n")


def token():
    if "TOKEN" in os.environ:
        return os.environ["TOKEN"]
    auth = AuthSettings(
        secret=secret(), issuer=os.environ["HELIOGRAPH_AUTH__ISSUER"], audience=os.environ["HELIOGRAPH_AUTH__AUDIENCE"]
    )
    return issue_token(
        auth, subject="helm-test", scopes=["images:read", "images:write"], lifetime=timedelta(minutes=10)
    )


def picture():
    """A PNG with a gradient and noise, different at each run, so that nothing can be answered from before."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    noise = os.urandom(WIDTH)
    rows = b"".join(
        b"\0" + bytes(value for x in range(WIDTH) for value in (x * 255 // WIDTH, y * 255 // HEIGHT, noise[x] // 4))
        for y in range(HEIGHT)
    )
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def call(method, path, body=None):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    if body is not None:
        headers["Content-Type"] = "image/png"
    request = urllib.request.Request(f"{API}{path}", body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path} answered {error.code}: {error.read().decode()}")


def await_ready(socket, image_id):
    while True:
        message = json.loads(socket.recv(timeout=max(0.0, DEADLINE - time.monotonic())))
        if message.get("subject") != image_id:
            continue
        print(f"  {message['type']}")
        if message["type"] == "dev.heliograph.image.ready":
            return
        if message["type"] == "dev.heliograph.image.failed":
            sys.exit(f"the image failed: {message['data']}")


TOKEN = token()
began = time.monotonic()
with connect(
    EVENTS, subprotocols=["heliograph.v1"], additional_headers={"Authorization": f"Bearer {TOKEN}"}, proxy=None
) as socket:
    socket.send(json.dumps({"op": "subscribe", "types": ["image.*"]}))
    socket.recv(timeout=10)  # it has begun
    image = json.loads(call("POST", "/v1/images?name=helm-test.png", picture()))
    print(f"uploaded {image['id']}")
    await_ready(socket, image["id"])
image = json.loads(call("GET", f"/v1/images/{image['id']}"))
thumbnails = [rendition for rendition in image["renditions"] if rendition["kind"] == "thumbnail"]
if image["status"] != "complete" or not thumbnails:
    sys.exit(f"the image is {image['status']} and has {len(thumbnails)} thumbnails")
for rendition in image["renditions"]:
    print(f"  {rendition['name']}: {rendition['width']} x {rendition['height']}, {rendition['bytes']} bytes")
if "FETCH" in os.environ:
    signed = json.loads(call("GET", f"/v1/images/{image['id']}/renditions/{thumbnails[0]['name']}?url=1"))["url"]
    with urllib.request.urlopen(signed, timeout=30) as answer:
        fetched = len(answer.read())
    if fetched != thumbnails[0]["bytes"]:
        sys.exit(f"the thumbnail has {fetched} bytes in the object store, expected {thumbnails[0]['bytes']}")
call("DELETE", f"/v1/images/{image['id']}")
print(f"passed in {time.monotonic() - began:.1f} s")

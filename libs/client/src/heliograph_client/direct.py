"""A direct upload: announced to the gateway, put into the object store by a signed URL, completed.

The file is read twice, first for its hash: what the server has already is not sent at all, and what it takes is exactly
what was read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

from heliograph_client.body import Body, Progress, Source
from heliograph_client.errors import UnexpectedAnswer
from heliograph_client.models import Image, Model
from heliograph_client.transport import Transport, parse


class _Put(Model):
    url: str
    headers: dict[str, str]


class _Links(Model):
    complete: str | None = None


class _DirectUpload(Model):
    state: Literal["open", "complete", "refused"]
    upload: _Put | None
    image: Image | None
    links: _Links


async def upload_direct(
    transport: Transport,
    source: Source,
    *,
    name: str | None,
    options: Mapping[str, str],
    on_progress: Progress | None,
) -> Image:
    """See ``AsyncClient.upload_direct``; ``options`` are its priority and its analysis profile."""
    first, second = Body(source), Body(source, on_progress)  # both, before either reads: they begin at the same place
    if first.size is None:
        raise ValueError(
            "a direct upload reads its source twice: pass a path, bytes or a seekable file, or use upload()"
        )
    announced = {
        "name": name or first.name or "unnamed",
        "bytes": first.size,
        "sha256": await _sha256(first),
        **options,
    }
    made = parse(_DirectUpload, await transport.request("POST", "/v1/uploads", json=announced))
    if made.image is not None:
        return made.image.model_copy(update={"created": False})
    if made.upload is None or made.links.complete is None:
        raise UnexpectedAnswer(f"the server returned no upload URL (state {made.state}); upload the file again")
    await transport.store(made.upload.url, made.upload.headers, second)
    response = await transport.request("POST", made.links.complete)
    return parse(Image, response).model_copy(update={"created": response.status_code == 201})


async def _sha256(body: Body) -> str:
    digest = hashlib.sha256()
    async for chunk in body.chunks():
        digest.update(chunk)
    return digest.hexdigest()

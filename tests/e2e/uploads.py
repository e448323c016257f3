"""The upload steps, of any installation. ``verify`` runs them in an image that has no more of the repository than this
folder."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.e2e import client
from tests.e2e.shell import Failed

from heliograph_client.errors import Rejected

_FEWEST = 10


async def upload_pictures(site: client.Site) -> str:
    """Pictures uploaded, events on a socket, renditions fetched; what is worth telling of it.

    Raises:
        Failed: fewer pictures came through than must.
    """
    began = time.monotonic()
    refused: list[str] = []
    async with client.listening(site) as listener, site.client() as api:
        uploaded = []
        for name, content in client.pictures():
            try:
                uploaded.append(await api.upload(content, name=name))
            except Rejected as error:  # at once, with its reason
                refused.append(f"{name} ({str(error).partition(';')[0]})")
        images = await client.finish(api, {str(image.id) for image in uploaded})
        await listener.until({str(image.id) for image in uploaded if image.created}, "image.ready", 30)
        with tempfile.TemporaryDirectory() as folder:
            for image in images:
                await client.fetch(api, image, Path(folder))
    if len(images) < _FEWEST:
        raise Failed(f"only {len(images)} pictures; refused: {refused}")
    files = sum(len(image.renditions) for image in images)
    told = f"; refused: {', '.join(refused)}" if refused else ""
    return f"{len(images)} pictures, {files} renditions fetched in {time.monotonic() - began:.0f} s{told}"

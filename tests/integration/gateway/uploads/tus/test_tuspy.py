"""An existing client, tuspy, over the real server: what it can do works as its users expect."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.integration.gateway.support import Gateway
from tests.integration.gateway.uploads.tus.support import ROOT, Tus, image_at
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed
from tusclient.storage.filestorage import FileStorage

Picture = Callable[..., bytes]


@pytest.fixture
def tuspy(gateway: Gateway) -> Any:
    """tuspy with Ann's token. Its annotations say ``None`` for what it sets later."""
    headers = {"Authorization": f"Bearer {gateway.token()}"}
    return TusClient(f"http://127.0.0.1:{gateway.port}{ROOT}", headers=headers)


async def test_it_uploads_whole(tuspy: Any, ann: httpx2.AsyncClient, picture: Picture) -> None:
    content = picture(60, 40)
    uploader = tuspy.uploader(
        file_stream=io.BytesIO(content), metadata={"filename": "beach.png", "filetype": "image/png"}
    )
    await asyncio.to_thread(uploader.upload)
    image = await image_at(ann, await Tus(ann).head(uploader.url), content)
    assert image["name"] == "beach.png"
    assert uploader.request.response_headers["heliograph-image"] == image["links"]["self"]


@pytest.mark.parametrize("checksum", [False, True], ids=["plain", "checksum"])
async def test_it_uploads_in_chunks(tuspy: Any, ann: httpx2.AsyncClient, picture: Picture, checksum: bool) -> None:
    content = picture(60, 40)
    uploader = tuspy.uploader(file_stream=io.BytesIO(content), chunk_size=50, upload_checksum=checksum)
    await asyncio.to_thread(uploader.upload)
    await image_at(ann, await Tus(ann).head(uploader.url), content)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # tuspy opens the file for every chunk
async def test_it_resumes_from_what_it_stored(
    tuspy: Any, ann: httpx2.AsyncClient, picture: Picture, tmp_path: Path
) -> None:
    content = picture(60, 40)
    path = tmp_path / "beach.png"
    path.write_bytes(content)
    storage: Any = FileStorage(str(tmp_path / "urls.json"))  # type: ignore[no-untyped-call]
    try:
        remembered = {"file_path": str(path), "store_url": True, "url_storage": storage, "chunk_size": 50}
        first = tuspy.uploader(**remembered)
        await asyncio.to_thread(first.upload, 100)
        second = await asyncio.to_thread(lambda: tuspy.uploader(**remembered))
        assert (second.url, second.offset) == (first.url, 100)
        await asyncio.to_thread(second.upload)
    finally:
        storage.close()
    await image_at(ann, await Tus(ann).head(first.url), content)


async def test_its_asynchronous_twin(tuspy: Any, ann: httpx2.AsyncClient, picture: Picture) -> None:
    content = picture(60, 40)
    uploader = tuspy.async_uploader(file_stream=io.BytesIO(content), chunk_size=100)
    await uploader.upload()
    await image_at(ann, await Tus(ann).head(uploader.url), content)


async def test_it_learns_why_a_picture_is_refused(tuspy: Any) -> None:
    uploader = tuspy.uploader(file_stream=io.BytesIO(b"%PDF-1.7 renamed"), chunk_size=8)
    with pytest.raises(TusUploadFailed) as failed:
        await asyncio.to_thread(uploader.upload)
    assert failed.value.status_code == 415
    assert b"/problems/unsupported-image" in failed.value.response_content
    with pytest.raises(TusCommunicationError) as gone:
        await asyncio.to_thread(uploader.get_offset)
    assert gone.value.status_code == 410

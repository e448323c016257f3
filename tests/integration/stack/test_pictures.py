"""Real pictures through the command line: upright, of the right size, and the same again the second time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import pyvips
from tests.integration.stack.support import Running

from heliograph_common.blobs.minio import MinioBlobs
from heliograph_common.contracts.sizes import DEFAULT_SIZES
from heliograph_common.settings import S3Settings

pytestmark = pytest.mark.xdist_group("stack")

SIZES = {size.name: size.width for size in DEFAULT_SIZES if size.kind == "thumbnail"}
VARIANTS = {size.name: (size.width, size.height) for size in DEFAULT_SIZES if size.kind == "variant"}


def _upload(stack: Running, photos: Path) -> dict[str, dict[str, Any]]:
    files = sorted(str(file) for file in photos.glob("*.*") if file.suffix != ".md")
    done = stack.cli("upload", *files, "--wait", "--json", check=False)
    return {Path(line["file"]).name: line for line in map(json.loads, done.stdout.splitlines())}


async def _objects(stack: Running) -> set[str]:
    s3 = stack.connection["s3"]
    blobs = MinioBlobs(
        S3Settings(**{key: s3[key] for key in ("endpoint", "access_key", "secret_key", "bucket", "region")})
    )
    try:
        return {blob.key async for blob in blobs.list("")}
    finally:
        await blobs.close()


async def _rendition(stack: Running, image_id: str, name: str) -> pyvips.Image:
    headers = {"Authorization": f"Bearer {stack.connection['token']}"}
    async with httpx2.AsyncClient(base_url=stack.connection["api"], headers=headers) as http:
        answer = await http.get(f"/v1/images/{image_id}/renditions/{name}")
        assert answer.status_code == 302
    async with httpx2.AsyncClient() as anyone:  # a signed URL needs no token
        answer = await anyone.get(answer.headers["location"])
        answer.raise_for_status()
        return pyvips.Image.new_from_buffer(answer.content, "")


def _difference(one: pyvips.Image, other: pyvips.Image) -> float:
    """Mean difference of two pictures of about the same size, 0 to 255."""
    first, second = (
        np.asarray(image.thumbnail_image(64, height=64, size="force").numpy(), float) for image in (one, other)
    )
    return float(np.abs(first - second).mean())


async def test_photos(stack: Running, photos: Path) -> None:
    first = _upload(stack, photos)
    assert first["giant.jpg"]["status"] == "refused"
    assert "280" in json.dumps(first["giant.jpg"]["error"])
    complete = {name: line for name, line in first.items() if name != "giant.jpg"}
    assert len(complete) >= 25
    for name, line in complete.items():
        assert line["status"] == "complete", name
        _check_sizes(name, line["renditions"])

    for shape in ("landscape", "portrait"):
        upright = await _rendition(stack, first[f"{shape}_orientation_1.jpg"]["id"], "300")
        for orientation in range(2, 9):
            image_id = first[f"{shape}_orientation_{orientation}.jpg"]["id"]
            for rendition in ("300", "1038x1278"):
                turned = await _rendition(stack, image_id, rendition)
                expected = upright
                if rendition != "300":
                    expected = await _rendition(stack, first[f"{shape}_orientation_1.jpg"]["id"], rendition)
                assert (turned.width, turned.height) == (expected.width, expected.height)
                assert _difference(turned, expected) < 12, f"{shape} {orientation} {rendition}"

    before = await _objects(stack)
    second = _upload(stack, photos)
    assert {name: line["id"] for name, line in second.items()} == {name: line["id"] for name, line in first.items()}
    assert not any(line["created"] for line in second.values())
    assert await _objects(stack) == before


def _check_sizes(name: str, renditions: list[dict[str, Any]]) -> None:
    by_name = {rendition["name"]: rendition for rendition in renditions}
    assert set(by_name) == {*SIZES, *VARIANTS}, name
    for key, edge in SIZES.items():
        longest = max(by_name[key]["width"], by_name[key]["height"])
        assert longest == edge or (by_name[key]["limited"] and longest < edge), name
    for key, pixels in VARIANTS.items():
        size = (by_name[key]["width"], by_name[key]["height"])
        assert size == pixels or by_name[key]["limited"], name

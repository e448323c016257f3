"""Calls the API through the generated client, in ``.venv-conformance``; prints one JSON line a case."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

from generated_client import AuthenticatedClient
from generated_client.api.images import delete_image, get_image, list_images, upload_images
from generated_client.models import ImagePage, ImageShape, ProblemDocument, UploadImagesFilesBody
from generated_client.types import File


def tell(case: str, expected: object, got: object) -> None:
    """One row."""
    print(json.dumps({"case": case, "expected": str(expected), "got": str(got)}))  # noqa: T201


def main() -> None:
    """Uploads, lists, reads, deletes, and reads a problem."""
    base, token = os.environ["CONFORMANCE_API"], os.environ["CONFORMANCE_TOKEN"]
    picture = Path(os.environ["CONFORMANCE_PICTURE"])
    with AuthenticatedClient(base_url=base, token=token, raise_on_unexpected_status=True) as client:
        with picture.open("rb") as payload:
            answer = upload_images.sync_detailed(client=client, body=File(payload=payload), name="generated.jpg")
        image = answer.parsed
        tell("upload a picture", "201 ImageShape", f"{answer.status_code.value} {type(image).__name__}")
        assert isinstance(image, ImageShape)
        tell("its size was read", "320 x 240", f"{image.width} x {image.height}")
        with picture.open("rb") as payload:
            form = UploadImagesFilesBody(file=[File(payload=payload, file_name="again.jpg", mime_type="image/jpeg")])
            again = upload_images.sync_detailed(client=client, body=form)
        tell("upload it again, as a form", 200, again.status_code.value)
        page = list_images.sync(client=client, q="generated", limit=1)
        assert isinstance(page, ImagePage)
        tell("list by name", [image.id], [each.id for each in page.images])
        found = get_image.sync(client=client, image_id=image.id)
        tell("read it", image.sha256, found.sha256 if isinstance(found, ImageShape) else found)
        tell("delete it", 204, delete_image.sync_detailed(client=client, image_id=image.id).status_code.value)
        problem = get_image.sync(client=client, image_id=image.id)
        tell(
            "read a problem", "/problems/not-found", problem.type_ if isinstance(problem, ProblemDocument) else problem
        )
        wrong = get_image.sync_detailed(client=client, image_id=uuid.uuid4())
        tell("an id that is nobody's", 404, wrong.status_code.value)


main()

"""Writes a golden sample of each message version that has none, and one more where fields were added to a version since:
``python -m tests.contracts.make_samples``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from heliograph_common.contracts.body import Body
from heliograph_common.contracts.envelope import Envelope
from heliograph_common.contracts.import_messages import (
    FetchFile,
    ImportCanceled,
    ImportCompleted,
    ImportCounts,
    ImportFailed,
    ImportProgress,
    ImportStarted,
    ListFolder,
)
from heliograph_common.contracts.messages import (
    COMMANDS,
    EVENTS,
    AnalyzeImage,
    DeadLetter,
    ImageAnalysisFailed,
    ImageAnalyzed,
    ImageDeleted,
    ImageFailed,
    ImageReady,
    ImageRetried,
    ImageStored,
    RenderImage,
    RenditionInfo,
    Stages,
    ThumbnailsReady,
    VariantsReady,
)
from heliograph_common.contracts.subjects import Priority
from heliograph_common.contracts.word_messages import (
    FindPicture,
    Photo,
    WordImageFound,
    WordImageNotFound,
    WordImageRemoved,
    WordImageStored,
)

GOLDEN = Path(__file__).parent / "golden"
WHEN = datetime(2026, 11, 20, 9, 30, 0, 123000, tzinfo=UTC)
IMAGE = UUID("01a1f92b-ba77-76a1-85bb-608671403cb6")
IMPORT = UUID("01a1f950-5e1c-7d40-9c0b-2f7ad6c1b3e4")
ANALYSIS = UUID("01a1f951-7a31-7c02-8f4e-5b6c7d8e9f00")
PART = UUID("8d7f5c0e-6a4b-5b0c-9d2e-0c1f2a3b4c5d")
THUMBNAIL = RenditionInfo(name="300", kind="thumbnail", width=300, height=200, format="jpeg", bytes=9876)
VARIANT = RenditionInfo(
    name="1080x1920", kind="variant", width=800, height=1422, format="webp", bytes=123456, limited=True
)
HALF = Stages(thumbnails="complete", variants="processing")
DONE = Stages(thumbnails="complete", variants="complete", analysis="pending")
ANALYZED = Stages(thumbnails="complete", variants="complete", analysis="complete")
NOT_ANALYZED = Stages(thumbnails="complete", variants="complete", analysis="failed")
FAILED = Stages(thumbnails="failed", variants="failed")
NEW = Stages()
IMPORTED: dict[str, Any] = {"import_id": IMPORT, "source": "google_drive", "name": "Möwen"}
SOME = ImportCounts(found=1200, queued=392, fetching=8, imported=780, unchanged=10, skipped=6, failed=1, canceled=3)
WORD = UUID("5b0c8e0a-1f7d-5c52-9a55-30b6d2a3c101")
GULL: dict[str, Any] = {"word_id": "4711", "text": "gull", "language": "en"}
PHOTO = Photo(
    provider="unsplash",
    id="eOLpJytrbsQ",
    page_url="https://unsplash.example/photos/eOLpJytrbsQ",
    image_url="https://images.unsplash.example/photo-1?w=1080",
    thumb_url="https://images.unsplash.example/photo-1?w=200",
    full_url="https://images.unsplash.example/photo-1",
    width=4000,
    height=3000,
    photographer="Jeff Sheldon",
    photographer_url="https://unsplash.example/@ugmonk",
    color="#a4c3d2",
    blur_hash="LaLXMa9Fx[D%~q%MtQM|kDRjtRIU",
    description="A gull over the sea",
    tags=("gull", "sea"),
    download_location="https://api.unsplash.example/photos/eOLpJytrbsQ/download",
)


def samples() -> list[Body]:
    """One body of every type, with every field set."""
    name = "Möwe.jpg"
    chosen: list[Body] = [
        RenderImage(image_id=IMAGE),
        AnalyzeImage(image_id=IMAGE, profile="food", analysis_id=ANALYSIS),
        ImageStored(
            image_id=IMAGE, revision=1, name=name, progress=20, stages=NEW, source="upload", mime_type="image/jpeg",
            bytes=2_345_678, width=4000, height=3000, priority=Priority.HIGH,
        ),
        ThumbnailsReady(
            image_id=IMAGE, revision=3, name=name, progress=60, stages=HALF, renditions=[THUMBNAIL],
            thumbhash="3OcRJYB4d3h/iIeHeEh3eIhw+j2w", dominant_color="#7f8c8d",
        ),
        VariantsReady(image_id=IMAGE, revision=4, name=name, progress=80, stages=DONE, renditions=[VARIANT]),
        ImageReady(image_id=IMAGE, revision=4, name=name, progress=80, stages=DONE, accepted_at=WHEN),
        ImageFailed(
            image_id=IMAGE, revision=5, name=name, progress=20, stages=FAILED, reason="the file ends early: export it anew",
            attempts=1, retryable=False,
        ),
        ImageRetried(image_id=IMAGE, revision=6, name=name, progress=20, stages=NEW),
        ImageAnalyzed(
            image_id=IMAGE, revision=8, name=name, progress=100, stages=ANALYZED, analysis_id=ANALYSIS, profile="describe",
            result={"caption": "Eine Möwe auf einem Pfahl", "tags": ["gull", "sea"]}, source="api", model="gpt-4.1-mini",
        ),
        ImageAnalysisFailed(
            image_id=IMAGE, revision=9, name=name, progress=80, stages=NOT_ANALYZED, analysis_id=ANALYSIS, profile="food",
            code="refused", reason="the model refused to describe this image: choose another image",
        ),
        ImageDeleted(image_id=IMAGE, revision=7, name=name, progress=100, stages=DONE),
        ListFolder(import_id=IMPORT, page_id=PART),
        FetchFile(import_id=IMPORT, file_id=PART),
        ImportStarted(**IMPORTED, status="running", progress=0, counts=ImportCounts(), revision=2),
        ImportProgress(
            **IMPORTED, status="running", progress=66, counts=SOME, revision=3, files_per_second=12.5,
            remaining_seconds=32.0, waiting_reason="Google Drive allows no more requests for the moment",
            waiting_until=WHEN,
        ),
        ImportCompleted(**IMPORTED, status="completed", progress=100, counts=SOME, revision=4),
        ImportFailed(
            **IMPORTED, status="failed", progress=100, counts=ImportCounts(), revision=4,
            reason="the folder is private: share it by link",
        ),
        ImportCanceled(**IMPORTED, status="canceled", progress=100, counts=SOME, revision=4),
        FindPicture(word_key=WORD),
        WordImageFound(**GULL, revision=2, photo=PHOTO),
        WordImageStored(**GULL, revision=3, image_id=IMAGE),
        WordImageNotFound(
            **GULL, revision=2, code="no_results", reason="no provider has a photo of it: name one", search_again_at=WHEN,
        ),
        WordImageRemoved(**GULL, revision=4),
        DeadLetter(
            service="thumbnailer", subject="work.render.low", headers={"Nats-Msg-Id": str(IMAGE)}, payload="{}",
            reason="no such image", error="NotFound", deliveries=3, died_at=WHEN,
        ),
    ]  # fmt: skip
    written = {type(body) for body in chosen}
    return [*chosen, *(plain(body) for body in (*COMMANDS, *EVENTS) if body not in written)]


def plain(body: type[Body]) -> Body:
    """A sample of a body whose fields are ids, texts, numbers, times and ``Stages``; any other body is written above."""
    values: dict[object, object] = {
        UUID: IMAGE, str: "text", int: 7, float: 0.5, bool: True, datetime: WHEN, Stages: HALF,
    }  # fmt: skip
    kinds = {field.name: getattr(field.type, "__origin__", field.type) for field in msgspec.structs.fields(body)}
    strange = sorted(name for name, kind in kinds.items() if kind not in values)
    if strange:
        raise SystemExit(
            f"no plain value for {', '.join(strange)} of {body.__name__}: write a sample of it in {__file__}"
        )
    return body(**{name: values[kind] for name, kind in kinds.items()})


def unsampled(body: type[Body]) -> list[str]:
    """The fields of the present version of ``body`` that no sample of it has."""
    found = GOLDEN.glob(f"{body.type}.v{body.version}[.+]*json")
    told = {name for path in found for name in json.loads(path.read_text(encoding="utf-8"))["data"]}
    return sorted({field.name for field in msgspec.structs.fields(body)} - told)


def main() -> None:
    """Writes what is missing and leaves alone what is there."""
    GOLDEN.mkdir(exist_ok=True)
    for body in samples():
        added = unsampled(type(body))
        if not added:
            continue
        name = f"{body.type}.v{body.version}"
        path = GOLDEN / (f"{name}+{'+'.join(added)}.json" if (GOLDEN / f"{name}.json").exists() else f"{name}.json")
        message = Envelope(
            id=IMAGE,
            type=body.type,
            version=body.version,
            occurred_at=WHEN,
            owner="ann",
            data=msgspec.to_builtins(body),
        )
        path.write_bytes(msgspec.json.format(msgspec.json.encode(message), indent=2) + b"\n")


if __name__ == "__main__":
    main()

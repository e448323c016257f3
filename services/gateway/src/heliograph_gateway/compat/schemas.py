"""What the systems that Heliograph replaces answered.

Names, nesting and types are those systems'; ids were numbers there and are UUIDs here, hashes MD5 and are SHA-256.
Leaves out how rows become these (``shapes``).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from heliograph_gateway.catalog.schemas import EXIF, IMAGE_ID, SHA256, State
from heliograph_gateway.http.schemas import Shape
from heliograph_gateway.imports.schemas import FOLDER, IMPORT_ID, LONGEST_URL, PRINTABLE, Counts

Well = Literal["healthy", "unhealthy"]
TaskStatus = Literal["PENDING", "STARTED", "SUCCESS", "FAILURE"]

_FILE_PATH = f"originals/{SHA256[:2]}/{SHA256}"


class OldImage(Shape):
    """An image in the format of the older gallery backend."""

    id: Annotated[UUID, Field(description="Id of the image.", examples=[IMAGE_ID])]
    filename: Annotated[str, Field(description="Id with the file extension.", examples=[f"{IMAGE_ID}.jpeg"])]
    original_filename: Annotated[str, Field(description="File name given at the upload.", examples=["beach.jpg"])]
    file_path: Annotated[
        str, Field(description="Object key of the original in the object store.", examples=[_FILE_PATH])
    ]
    album_id: Annotated[None, Field(description="Always null. Heliograph has no albums.")]
    width: Annotated[int, Field(description="Width in pixels.", examples=[4032])]
    height: Annotated[int, Field(description="Height in pixels.", examples=[3024])]
    file_size: Annotated[int, Field(description="Size of the original file in bytes.", examples=[2_411_724])]
    mime_type: Annotated[str, Field(description="Media type of the original.", examples=["image/jpeg"])]
    file_hash: Annotated[str, Field(description="SHA-256 of the original file in hexadecimal.", examples=[SHA256])]
    exif: Annotated[dict[str, Any] | None, Field(description="EXIF data. Null if there is none.", examples=[EXIF])]
    dominant_colors: Annotated[
        list[str] | None,
        Field(
            description="Dominant colors as `#rrggbb`. Null until the thumbnails are rendered.", examples=[["#6f8ea3"]]
        ),
    ]
    uploaded_at: Annotated[datetime, Field(description="When the image was uploaded.")]
    playlist_id: Annotated[None, Field(description="Always null. Heliograph has no playlists.")]
    url: Annotated[
        str,
        Field(
            description="URL of the original file, relative to the server.",
            examples=[f"/v1/images/{IMAGE_ID}/renditions/original"],
        ),
    ]
    thumbnail_url: Annotated[
        str,
        Field(
            description="URL of the medium-sized thumbnail, relative to the server. It works once the thumbnail is "
            "rendered.",
            examples=[f"/v1/images/{IMAGE_ID}/renditions/300"],
        ),
    ]
    processing_status: Annotated[State, Field(description="Overall processing state.", examples=["pending"])]
    thumbnail_status: Annotated[State, Field(description="State of rendering the thumbnails.", examples=["pending"])]
    variant_status: Annotated[
        State, Field(description="State of rendering the display variants.", examples=["pending"])
    ]
    processing_error: Annotated[
        str | None, Field(description="Why processing failed. Null if it has not failed.", examples=[None])
    ]
    processing_attempts: Annotated[int, Field(description="Number of processing attempts so far.", examples=[0])]
    last_processing_attempt: Annotated[
        datetime | None, Field(description="When the last attempt started. Null before the first one.", examples=[None])
    ]
    processing_completed_at: Annotated[
        datetime | None, Field(description="When processing completed. Null until then.", examples=[None])
    ]


class OldUpload(Shape):
    """An image that was accepted."""

    message: Annotated[str, Field(description="Message for people.", examples=["Image uploaded successfully"])]
    data: Annotated[OldImage, Field(description="The image.")]
    status_code: Annotated[Literal[200], Field(description="HTTP status code.")]
    background_processing: Annotated[Literal[True], Field(description="The image is rendered in the background.")]


class OldDuplicate(Shape):
    """An image that the caller had already uploaded."""

    message: Annotated[
        str, Field(description="Message for people.", examples=["Duplicate image - already exists in library"])
    ]
    data: Annotated[OldImage, Field(description="The existing image.")]
    status_code: Annotated[Literal[200], Field(description="HTTP status code.")]
    is_duplicate: Annotated[Literal[True], Field(description="The image already exists.")]


class OldRetry(Shape):
    """Result of a retry. If the image had not failed and nothing was missing, nothing was queued."""

    message: Annotated[str, Field(description="Message for people.", examples=["Processing retry queued successfully"])]
    image_id: Annotated[UUID, Field(description="Id of the image.", examples=[IMAGE_ID])]
    status: Annotated[State, Field(description="Processing state of the image.", examples=["pending"])]


class OldListed(Shape):
    """An image in the list."""

    id: Annotated[UUID, Field(description="Id of the image.", examples=[IMAGE_ID])]
    name: Annotated[str, Field(description="File name given at the upload.", examples=["beach.jpg"])]
    size: Annotated[int, Field(description="Size of the original file in bytes.", examples=[2_411_724])]
    mime_type: Annotated[str, Field(description="Media type of the original.", examples=["image/jpeg"])]
    source: Annotated[str, Field(description="Where the image came from.", examples=["upload"])]
    created_at: Annotated[datetime, Field(description="When the image was uploaded.")]


class OldList(Shape):
    """All images of the caller, newest first."""

    images: Annotated[list[OldListed], Field(description="The images.")]
    count: Annotated[int, Field(description="Number of images.", examples=[1])]


class OldImportRequest(Shape):
    """A folder to import. Other members are ignored."""

    model_config = ConfigDict(extra="ignore")

    folder_url: Annotated[
        str, Field(pattern=PRINTABLE, max_length=LONGEST_URL, description="Link to the folder.", examples=[FOLDER])
    ]


class OldImport(Shape):
    """An import that was accepted."""

    message: Annotated[str, Field(description="Message for people.", examples=["Import job queued"])]
    task_id: Annotated[UUID, Field(description="Id of the task, which is the id of the import.", examples=[IMPORT_ID])]


class OldTask(Shape):
    """The processing of an image, or an import."""

    task_id: Annotated[str, Field(description="Id of the task, as sent.", examples=[IMAGE_ID])]
    status: Annotated[TaskStatus, Field(description="Status of the task.", examples=["SUCCESS"])]
    result: Annotated[
        OldListed | Counts | str | None,
        Field(
            description="After a success the image, or the number of files of the import by status. After a failure the "
            "reason. Otherwise null."
        ),
    ]


class OldMeal(Shape):
    """What a meal is made of. If nothing edible can be seen, all texts and lists are empty and all numbers are 0."""

    name: Annotated[str, Field(description="Short name of the meal.", examples=["Spaghetti with tomato sauce"])]
    calories: Annotated[float, Field(description="Kilocalories of the portion.", examples=[520])]
    protein: Annotated[float, Field(description="Grams of protein in the portion.", examples=[18])]
    carbs: Annotated[float, Field(description="Grams of carbohydrates in the portion.", examples=[80])]
    fat: Annotated[float, Field(description="Grams of fat in the portion.", examples=[12.5])]
    servingSize: Annotated[str, Field(description="Size of the portion.", examples=["1 plate (350 g)"])]  # noqa: N815 - theirs
    ingredients: Annotated[list[str], Field(description="Ingredients.", examples=[["spaghetti", "tomato"]])]
    confidence: Annotated[float, Field(description="Confidence of the model, from 0 to 1.", examples=[0.92])]
    mealSuggestions: Annotated[  # noqa: N815 - theirs
        list[str], Field(description="What would make the meal more balanced.", examples=[["Add a salad"]])
    ]
    entryId: Annotated[  # noqa: N815 - theirs
        UUID,
        Field(
            default=None,
            description="Id of the entry in the food diary. Only with `save`, and only if something edible can be seen.",
            examples=[IMAGE_ID],
        ),
    ]


class OldFood(Shape):
    """The analysis of a meal."""

    analysis: Annotated[OldMeal, Field(description="The meal.")]
    source: Annotated[
        Literal["cache", "api"],
        Field(description="`cache` if the result was known, `api` if a model was asked.", examples=["api"]),
    ]


class OldQueue(Shape):
    """State of the work queue."""

    waiting: Annotated[int, Field(description="Messages waiting for a worker or for their next attempt.", examples=[3])]
    active: Annotated[int, Field(description="Messages that workers are processing.", examples=[1])]
    completed: Annotated[int, Field(description="Images completed in the last 24 hours.", examples=[1200])]
    failed: Annotated[int, Field(description="Images that failed in the last 24 hours.", examples=[2])]
    total: Annotated[int, Field(description="Sum of the other numbers.", examples=[1206])]


class OldHealth(Shape):
    """Health of the gateway."""

    status: Annotated[Well, Field(description="Whether the gateway can serve requests.")]
    service: Annotated[str, Field(description="Name of the service.", examples=["heliograph-gateway"])]
    startup_mode: Annotated[
        bool,
        Field(
            description="Whether the gateway has started within the last `startup_grace_seconds` and waits for servers or "
            "credentials. It is `healthy` meanwhile."
        ),
    ]
    checks: Annotated[
        dict[str, str],
        Field(
            description="Health of each server by name. `redis` is `connected`, `connection failed` or `not configured`; "
            "`openai` is `configured` or `missing credentials`.",
            examples=[
                {
                    "redis": "connected",
                    "openai": "configured",
                    "database": "healthy",
                    "blobs": "healthy",
                    "nats": "healthy",
                }
            ],
        ),
    ]


class OldService(Shape):
    """Health of a server."""

    status: Annotated[Well, Field(description="Whether the server is available.")]


class OldQueueHealth(Shape):
    """Health and state of the work queue."""

    status: Annotated[Well, Field(description="Whether the state of the queue is known.")]
    waiting: Annotated[
        int | None,
        Field(description="Messages waiting for a worker or for their next attempt. Null if unknown.", examples=[3]),
    ]
    active: Annotated[
        int | None, Field(description="Messages that workers are processing. Null if unknown.", examples=[1])
    ]
    completed: Annotated[
        int | None, Field(description="Images completed in the last 24 hours. Null if unknown.", examples=[1200])
    ]
    failed: Annotated[
        int | None, Field(description="Images that failed in the last 24 hours. Null if unknown.", examples=[2])
    ]


class OldSystemHealth(Shape):
    """Health of all servers and state of the queue."""

    status: Annotated[
        Literal["healthy", "degraded", "unhealthy"],
        Field(description="Overall health. `degraded` while only servers that uploads do not need are unavailable."),
    ]
    timestamp: Annotated[datetime, Field(description="Time of the response.")]
    version: Annotated[str, Field(description="Version of the API.", examples=["1.0.0"])]
    services: Annotated[
        dict[str, OldQueueHealth | OldService],
        Field(
            description="Health of each server by name, and of the queue as `queue`. `redis` is NATS, `minio` the object "
            "store.",
            examples=[
                {
                    "database": {"status": "healthy"},
                    "queue": {"status": "healthy", "waiting": 3, "active": 1, "completed": 1200, "failed": 2},
                }
            ],
        ),
    ]

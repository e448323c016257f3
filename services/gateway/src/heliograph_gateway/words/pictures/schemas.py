"""The shapes of the pictures of words. ``representation`` builds them; a test holds it to these."""

from __future__ import annotations

import re
from datetime import datetime
from html import escape
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field

from heliograph_gateway.catalog.schemas import IMAGE_ID
from heliograph_gateway.http.schemas import Shape, linked
from heliograph_gateway.words.schemas import WORD_ID

PHOTO_ID = "eOLpJytrbsQ"
PAGE = f"https://unsplash.com/photos/{PHOTO_ID}?utm_source=heliograph&utm_medium=referral"
FILE = "https://images.unsplash.com/photo-1416339306562-f3d12fefd36f?w=1080"
PERSON = "https://unsplash.com/@jeffsheldon?utm_source=heliograph&utm_medium=referral"
CREDIT = f'Photo by <a href="{escape(PERSON)}">Jeff Sheldon</a> on <a href="{escape(PAGE)}">Unsplash</a>'
"""Examples."""

Copy = Literal["none", "pending", "stored", "failed"]

_ID = r"[A-Za-z0-9_-]{5,20}"
_ID_IN_PAGE = 11
"""Characters of an id at the end of a page's URL, behind words that describe the photo."""
_PAGE = (
    r"https://(?:www\.)?unsplash\.com/(?:[A-Za-z-]{2,7}/)?[a-z]{2,20}/"
    r"(?P<slug>[A-Za-z0-9_.~%-]{0,300}[A-Za-z0-9_-]{11})/?(?:[?#][!-~]{0,300})?"
)
_PAGES = re.compile(_PAGE)
_PHOTO = re.compile(f"{_ID}|{_PAGE}")
_RANDOM = "random"
"""No id, but what the provider calls any photo."""


def photo_id_of(value: str) -> str:
    """The id of a photo, of which ``value`` is the id or the URL of its page.

    Raises:
        ValueError: it is neither.
    """
    if _PHOTO.fullmatch(value) is None or value == _RANDOM:
        raise ValueError("must be the id of a photo at Unsplash, or the URL of its page there")
    page = _PAGES.fullmatch(value)
    return value if page is None else page["slug"][-_ID_IN_PAGE:]


class PictureRequest(Shape):
    """Which image the word shall have. Empty for the next best one."""

    photo_id: Annotated[
        Annotated[
            str,
            Field(
                json_schema_extra={
                    "pattern": f"^(?:{_ID}|{_PAGE.replace('?P<slug>', '?:')})$",
                    "not": {"enum": [_RANDOM]},
                }
            ),
            AfterValidator(photo_id_of),
        ]
        | None,
        Field(
            description="Id of a photo at Unsplash, or the URL of its page there, whose last 11 characters are the id. Null "
            "for the next best one.",
            examples=[PHOTO_ID],
        ),
    ] = None


class Attribution(Shape):
    """What to show with the image. Unsplash requires it."""

    text: Annotated[str, Field(description="Credit as plain text.", examples=["Photo by Jeff Sheldon on Unsplash"])]
    html: Annotated[
        str,
        Field(
            description="Credit as HTML with the links that Unsplash requires.",
            examples=[CREDIT],
        ),
    ]
    photographer: Annotated[str, Field(description="Name of the photographer.", examples=["Jeff Sheldon"])]
    photographer_url: Annotated[str, Field(description="Page of the photographer at the provider.", examples=[PERSON])]
    provider: Annotated[str, Field(description="Provider of the photo.", examples=["unsplash"])]
    provider_url: Annotated[str, Field(description="Page of the photo at the provider.", examples=[PAGE])]


class PhotoShape(Shape):
    """A photo of a provider."""

    photo_id: Annotated[str, Field(description="Id of the photo at its provider.", examples=[PHOTO_ID])]
    url: Annotated[
        str,
        Field(
            description="URL to show the photo from, about 1,080 pixels wide. Unsplash requires that photos are shown from "
            "there.",
            examples=[FILE],
        ),
    ]
    thumb_url: Annotated[str, Field(description="URL of a small version, about 200 pixels wide.", examples=[FILE])]
    full_url: Annotated[str, Field(description="URL of the photo in full size.", examples=[FILE])]
    width: Annotated[int, Field(description="Width in full size, in pixels.", examples=[5472])]
    height: Annotated[int, Field(description="Height in full size, in pixels.", examples=[3648])]
    color: Annotated[
        str | None, Field(description="Average color as `#rrggbb`. Null if unknown.", examples=["#6e633a"])
    ]
    blur_hash: Annotated[
        str | None,
        Field(description="BlurHash placeholder. Null if unknown.", examples=["LFC$yHwc8^$yIAS$%M%00KxukYIp"]),
    ]
    description: Annotated[
        str | None, Field(description="What the photo shows. Null if unknown.", examples=["A lighthouse at dusk"])
    ]
    attribution: Annotated[Attribution, Field(description="What to show with the photo.")]


class StoredRendition(Shape):
    """A rendered file of the stored copy."""

    name: Annotated[str, Field(description="Name of the display size.", examples=["300"])]
    kind: Annotated[Literal["thumbnail", "variant"], Field(description="Kind of the display size.")]
    width: Annotated[int, Field(description="Width in pixels.", examples=[300])]
    height: Annotated[int, Field(description="Height in pixels.", examples=[200])]
    format: Annotated[str, Field(description="File format: `jpeg` or `webp`.", examples=["jpeg"])]
    url: Annotated[
        str,
        Field(
            description="Signed URL of the file. Anyone who has it can fetch the file until it expires.",
            examples=["https://objects.example/heliograph/renditions/300?X-Amz-Signature=1f3a"],
        ),
    ]


class StoredCopy(Shape):
    """The copy that this installation stores."""

    state: Annotated[
        Copy,
        Field(
            description="`none` if the image is only linked; `pending` until the copy is stored; `stored`; or `failed`."
        ),
    ]
    image_id: Annotated[
        UUID | None, Field(description="Id of the stored image. Null if there is none.", examples=[IMAGE_ID])
    ]
    renditions: Annotated[
        list[StoredRendition], Field(description="Rendered files of the copy. More may follow while it is rendered.")
    ]
    expires_at: Annotated[datetime | None, Field(description="When the signed URLs expire. Null if there are none.")]
    error: Annotated[str | None, Field(description="Why storing failed. Null if it has not.", examples=[None])]


class WordPicture(Shape):
    """The image of a word."""

    model_config = ConfigDict(json_schema_extra=linked("word_id", "/word_id"))

    word_id: Annotated[str, Field(description="Id of the word.", examples=[WORD_ID])]
    revision: Annotated[
        int,
        Field(
            ge=1,
            description="Increases with every event of the word. Ignore an event whose `revision` is lower than this one.",
            examples=[2],
        ),
    ]
    status: Annotated[Literal["found"], Field(description="The word has an image.")]
    text: Annotated[str, Field(description="The word.", examples=["lighthouse"])]
    language: Annotated[str, Field(description="Language of the word (BCP 47).", examples=["en"])]
    photo: Annotated[PhotoShape, Field(description="The photo.")]
    stored: Annotated[StoredCopy, Field(description="Whether this installation stores a copy, and its files.")]
    query: Annotated[
        str | None, Field(description="Text that found the photo. Null if it was named.", examples=["lighthouse"])
    ]
    named: Annotated[bool, Field(description="Whether somebody named the photo.", examples=[False])]
    found_at: Annotated[datetime, Field(description="When the photo was chosen.")]
    alternatives: Annotated[
        list[PhotoShape],
        Field(
            description="Other photos of the same search, the best first. Choose one with `POST` and its `photo_id`: it is "
            "there at once."
        ),
    ]
    links: Annotated[
        dict[str, str],
        Field(
            description="URLs of the image (`self`) and of the word (`word`), relative to the server.",
            examples=[{"self": f"/v1/words/{WORD_ID}/image", "word": f"/v1/words/{WORD_ID}"}],
        ),
    ]

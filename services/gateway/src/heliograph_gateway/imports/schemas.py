"""The shapes of imports and their files. ``representation`` builds them; a test holds it to these."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path
from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from heliograph_common.contracts.links.registry import SOURCES
from heliograph_gateway.catalog.schemas import IMAGE_ID
from heliograph_gateway.http.parameters import JsonMoment
from heliograph_gateway.http.schemas import NextPage, Shape, linked

IMPORT_ID = "01a1f950-5e1c-7d40-9c0b-2f7ad6c1b3e4"
FILE_ID = "8d7f5c0e-6a4b-5b0c-9d2e-0c1f2a3b4c5d"
FOLDER = "https://drive.google.com/drive/folders/1dyUEebJaFnWa3Z4n0BFMVAXQ7mfUH11g"
_NAME = "Holidays 2026"
"""Examples."""

NAME_OF_CREDENTIAL = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
LONGEST_URL = 2048
PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
"""What a link is made of. PostgreSQL cannot hold a NUL."""

Status = Literal["queued", "running", "completed", "failed", "canceled"]
FileStatus = Literal["queued", "fetching", "imported", "unchanged", "skipped", "failed", "canceled"]

ImportId = Annotated[UUID, Path(description="Id of the import.", examples=[IMPORT_ID])]
Source = Annotated[str, Field(json_schema_extra={"enum": list(SOURCES)})]
_WRITABLE = r"^[\x21-\x7e]+$"
"""What tokens and secrets are made of (RFC 6749, appendix A), and what a header can carry."""


def _writable(secret: SecretStr) -> SecretStr:
    if re.fullmatch(_WRITABLE[1:-1], secret.get_secret_value()) is None:
        raise ValueError("only printable ASCII characters without spaces are allowed")
    return secret


_Secret = Annotated[
    SecretStr,
    Field(min_length=1, max_length=8192, json_schema_extra={"pattern": _WRITABLE}),
    AfterValidator(_writable),  # of secrets, pydantic checks no pattern
]


class Authorization(Shape):
    """A user's OAuth token for the provider. It is encrypted, used for this import only, erased when the import ends, and
    never returned. With `refresh_token`, it is refreshed when it expires."""

    access_token: Annotated[_Secret, Field(description="Access token.", examples=["ya29.a0AfB_byC"])]
    refresh_token: Annotated[
        _Secret | None, Field(description="Refresh token. Required if the import may outlast the access token.")
    ] = None
    expires_at: Annotated[
        JsonMoment | None,
        Field(description="When the access token expires (RFC 3339). Null if unknown."),
    ] = None
    client_id: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=512,
            pattern=_WRITABLE,
            description="OAuth client that the token was issued to. Defaults to that of the installation.",
        ),
    ] = None
    client_secret: Annotated[_Secret | None, Field(description="Secret of `client_id`.")] = None


class ImportRequest(Shape):
    """What to import. `url` names the folder of a provider; the source `urls` takes `urls` instead."""

    source: Annotated[Source, Field(description="Where the files are.", examples=["google_drive"])]
    url: Annotated[
        str | None,
        Field(
            pattern=PRINTABLE,
            max_length=LONGEST_URL,
            description="Link to the folder. Required unless the source is `urls`.",
            examples=[FOLDER],
        ),
    ] = None
    urls: Annotated[
        list[Annotated[str, Field(max_length=LONGEST_URL)]] | None,
        Field(
            min_length=1,
            description="URLs of the files, at most 10,000 by default. Repeated URLs are imported once. Required if the "
            "source is `urls`, otherwise not allowed.",
            examples=[None],
        ),
    ] = None
    recursive: Annotated[bool, Field(description="Whether to import the folders inside the folder as well.")] = True
    analyze: Annotated[
        str,
        Field(max_length=40, description="Analysis profile for the images. Empty requests no analysis.", examples=[""]),
    ] = ""
    credential: Annotated[
        str | None,
        Field(
            pattern=NAME_OF_CREDENTIAL,
            description="Name of a credential of this installation. Null uses the default of the source, with which only "
            "public or shared folders can be read. Not for `urls`.",
            examples=[None],
        ),
    ] = None
    authorization: Annotated[
        Authorization | None,
        Field(description="The user's own token, in place of `credential`. Not for `urls`.", examples=[None]),
    ] = None


class RetryRequest(Shape):
    """How to retry an import. The body may be omitted."""

    authorization: Annotated[
        Authorization | None,
        Field(
            description="A new token. Required if the import used one and has ended, because tokens are erased then.",
            examples=[None],
        ),
    ] = None


class Counts(Shape):
    """Number of files by status."""

    found: Annotated[int, Field(description="Files found so far.", examples=[1200])]
    queued: Annotated[int, Field(description="Files not yet fetched.", examples=[392])]
    fetching: Annotated[int, Field(description="Files being fetched.", examples=[8])]
    imported: Annotated[int, Field(description="Files that are images of the owner now.", examples=[780])]
    unchanged: Annotated[
        int, Field(description="Files that an earlier import fetched and that did not change.", examples=[10])
    ]
    skipped: Annotated[int, Field(description="Files that cannot be imported, such as documents.", examples=[9])]
    failed: Annotated[int, Field(description="Files that could not be fetched.", examples=[1])]
    canceled: Annotated[int, Field(description="Files not fetched because the import was canceled.", examples=[0])]


class ListingError(Shape):
    """A folder that could not be listed."""

    path: Annotated[str, Field(description="Path of the folder within the import.", examples=["Holidays/Private"])]
    code: Annotated[str, Field(description="Code of the error.", examples=["access_denied"])]
    reason: Annotated[
        str,
        Field(
            description="What went wrong and, after the colon, what to do about it.",
            examples=["the folder cannot be read: share it with the account of the credential"],
        ),
    ]


class Listing(Shape):
    """How far the folders are listed."""

    complete: Annotated[bool, Field(description="Whether all folders are listed. Until then, more files may be found.")]
    folders: Annotated[int, Field(description="Folders found so far.", examples=[12])]
    pages: Annotated[int, Field(description="Pages of folders found so far.", examples=[14])]
    pages_listed: Annotated[int, Field(description="Pages that are listed.", examples=[14])]
    errors: Annotated[
        list[ListingError], Field(description="The first 20 folders that could not be listed.", examples=[[]])
    ]


class Bytes(Shape):
    """Sizes in bytes."""

    found: Annotated[int, Field(description="Size of the files found so far, where known.", examples=[3_600_000_000])]
    imported: Annotated[int, Field(description="Size of the files imported.", examples=[2_340_000_000])]


class Rate(Shape):
    """How fast the import is, measured recently."""

    files_per_second: Annotated[
        float | None, Field(description="Files done per second. Null if unknown.", examples=[12.5])
    ]
    bytes_per_second: Annotated[
        float | None, Field(description="Bytes fetched per second. Null if unknown.", examples=[37_500_000.0])
    ]


class WaitingShape(Shape):
    """What an import waits for."""

    reason: Annotated[
        str,
        Field(description="Why the import waits.", examples=["Google Drive allows no more requests for the moment"]),
    ]
    until: Annotated[datetime, Field(description="When it continues.")]


class ImportFault(Shape):
    """Why an import failed."""

    code: Annotated[str, Field(description="Code of the error.", examples=["access_denied"])]
    detail: Annotated[
        str,
        Field(
            description="What went wrong and, after the colon, what to do about it.",
            examples=["the folder is private: share it by link, or name a credential that can read it"],
        ),
    ]


class ImportShape(Shape):
    """An import with its progress."""

    model_config = ConfigDict(json_schema_extra=linked("import_id", "/id"))

    id: Annotated[UUID, Field(description="Id of the import (UUIDv7).", examples=[IMPORT_ID])]
    revision: Annotated[
        int,
        Field(
            ge=1,
            description="Increases with every event of the import. Ignore an event whose `revision` is lower than this one.",
            examples=[7],
        ),
    ]
    source: Annotated[Source, Field(description="Where the files are.", examples=["google_drive"])]
    url: Annotated[
        str | None, Field(description="Link to the folder. Null if the source is `urls`.", examples=[FOLDER])
    ]
    name: Annotated[str, Field(description="Name of the folder. Empty until it is known.", examples=[_NAME])]
    status: Annotated[
        Status,
        Field(
            description="State of the import. A `completed` one may have files that failed; see `counts`.",
            examples=["running"],
        ),
    ]
    recursive: Annotated[bool, Field(description="Whether the folders inside the folder are imported as well.")]
    analyze: Annotated[str, Field(description="Analysis profile for the images. Empty if none.", examples=[""])]
    credential: Annotated[
        str | None, Field(description="Name of the credential. Null if none was named.", examples=[None])
    ]
    counts: Annotated[Counts, Field(description="How many files are in which state.")]
    progress: Annotated[
        int,
        Field(
            ge=0,
            le=100,
            description="Share of the files found so far that are done, in percent. 100 once the import has ended.",
            examples=[66],
        ),
    ]
    listing: Annotated[Listing, Field(description="Progress of listing the folders.")]
    bytes: Annotated[Bytes, Field(description="Size of the files.")]
    rate: Annotated[Rate, Field(description="How fast the import is.")]
    remaining_seconds: Annotated[
        float | None,
        Field(
            description="Estimate of the time left, in seconds. Null until all folders are listed and the rate is known.",
            examples=[32.0],
        ),
    ]
    waiting: Annotated[
        WaitingShape | None,
        Field(description="Why and until when the import waits. Null if it does not wait.", examples=[None]),
    ]
    error: Annotated[
        ImportFault | None, Field(description="Why the import failed. Null if it has not failed.", examples=[None])
    ]
    created_at: Annotated[datetime, Field(description="When the import was created.")]
    started_at: Annotated[
        datetime | None, Field(description="When the import started, or was retried after its end. Null before that.")
    ]
    finished_at: Annotated[
        datetime | None, Field(description="When the import ended. Null until then.", examples=[None])
    ]
    links: Annotated[
        dict[str, str],
        Field(
            description="URLs of the import (`self`) and of its files (`files`), relative to the server.",
            examples=[{"self": f"/v1/imports/{IMPORT_ID}", "files": f"/v1/imports/{IMPORT_ID}/files"}],
        ),
    ]


class ImportPageShape(Shape):
    """A page of imports, newest first."""

    model_config = ConfigDict(json_schema_extra=linked("import_id", "/imports/0/id"))

    imports: Annotated[list[ImportShape], Field(description="Imports of this page.")]
    next: Annotated[NextPage, Field(examples=[None])]


class ImportFileShape(Shape):
    """A file of an import."""

    id: Annotated[UUID, Field(description="Id of the file in the import.", examples=[FILE_ID])]
    name: Annotated[str, Field(description="Name of the file.", examples=["beach.jpg"])]
    path: Annotated[str, Field(description="Path of the file within the import.", examples=["Holidays 2026/beach.jpg"])]
    status: Annotated[FileStatus, Field(description="State of the file.", examples=["imported"])]
    bytes: Annotated[int | None, Field(description="Size in bytes. Null if unknown.", examples=[2_411_724])]
    mime_type: Annotated[
        str | None,
        Field(description="Media type according to the provider. Null if unknown.", examples=["image/jpeg"]),
    ]
    code: Annotated[
        str | None,
        Field(description="Code of the reason that the file was skipped or failed. Otherwise null.", examples=[None]),
    ]
    reason: Annotated[
        str | None,
        Field(
            description="Why the file was skipped or failed and, after the colon, what to do about it. Otherwise null.",
            examples=[None],
        ),
    ]
    attempts: Annotated[int, Field(description="Number of attempts to fetch the file.", examples=[1])]
    image_id: Annotated[
        UUID | None,
        Field(description="Id of the image that the file became. Null unless it was imported.", examples=[IMAGE_ID]),
    ]
    finished_at: Annotated[datetime | None, Field(description="When the file was done with. Null until then.")]
    links: Annotated[
        dict[str, str],
        Field(
            description="URL of the image (`image`), relative to the server. Empty unless the file was imported.",
            examples=[{"image": f"/v1/images/{IMAGE_ID}"}],
        ),
    ]


class ImportFilePage(Shape):
    """A page of files, in the order in which they were found."""

    model_config = ConfigDict(json_schema_extra=linked("image_id", "/files/0/image_id"))

    files: Annotated[list[ImportFileShape], Field(description="Files of this page.")]
    next: Annotated[NextPage, Field(examples=[None])]

"""The shapes of words. ``representation`` builds them; a test holds it to these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path
from pydantic import AfterValidator, ConfigDict, Field

from heliograph_common.db.words.entries import RESERVED_IDS
from heliograph_gateway.http.parameters import WHOLE
from heliograph_gateway.http.schemas import NextPage, Shape, linked
from heliograph_gateway.words.spelling import Language, Text, Translation

WORD_ID = "4711"
"""An example."""
MOST_WORDS = 30_000
"""Words of one request."""
_ID = r"^[A-Za-z0-9._~-]{1,64}$"
_HIGHEST_RANK = (1 << 31) - 1

PictureState = Literal["found", "queued", "missed", "none"]
PictureFilter = Literal["with", "without", "missed", "queued"]

WordId = Annotated[
    str,
    Path(
        pattern=_ID,
        description="Id of the word, as it was given or assigned when the word was sent.",
        examples=[WORD_ID],
    ),
]


def _not_reserved(word_id: str) -> str:
    if word_id in RESERVED_IDS:
        raise ValueError(f"must not be one of {', '.join(sorted(RESERVED_IDS))}, which are reserved")
    return word_id


class WordEntry(Shape):
    """A word as it is sent."""

    id: Annotated[
        Annotated[
            str,
            Field(pattern=_ID, json_schema_extra={"not": {"enum": sorted(RESERVED_IDS)}}),
            AfterValidator(_not_reserved),
        ]
        | None,
        Field(
            description="Your id of the word. If missing, it is made from text and language: the same for the same word.",
            examples=[WORD_ID],
        ),
    ] = None
    text: Annotated[
        Text,
        Field(
            description="The word. White space around it is removed, runs inside become one blank, and characters are "
            "composed (NFC). Control characters, overrides and isolates of text direction, and texts without any visible "
            "character are rejected.",
            examples=["lighthouse"],
        ),
    ]
    language: Annotated[Language, Field(description="Language of the word (BCP 47).", examples=["en"])]
    translation: Annotated[
        Translation,
        Field(
            description="Translation of the word, searched for if the word itself finds nothing. Null if there is none.",
            examples=["Leuchtturm"],
        ),
    ] = None
    rank: Annotated[
        int | None,
        Field(
            ge=1,
            le=_HIGHEST_RANK,
            description="Rank of the word by frequency in its language; 1 is the most frequent. Null if unknown.",
            examples=[812],
        ),
        WHOLE,
    ] = None


class WordsRequest(Shape):
    """Words to create or change. Of several with the same id, the last one counts."""

    words: Annotated[list[WordEntry], Field(max_length=MOST_WORDS, description="The words.")]


class WordsWritten(Shape):
    """What became of the words that were sent."""

    received: Annotated[int, Field(description="Words in the request.", examples=[30_000])]
    created: Annotated[int, Field(description="Words that are new.", examples=[1_200])]
    updated: Annotated[int, Field(description="Words that were changed.", examples=[35])]
    unchanged: Annotated[int, Field(description="Words that were the same already.", examples=[28_762])]
    duplicates: Annotated[
        int, Field(description="Words whose id appears again further down in the request.", examples=[3])
    ]


class WordShape(Shape):
    """A word."""

    model_config = ConfigDict(json_schema_extra=linked("word_id", "/id"))

    id: Annotated[str, Field(description="Id of the word.", examples=[WORD_ID])]
    revision: Annotated[
        int,
        Field(
            ge=1,
            description="Increases with every event of the word. Ignore an event whose `revision` is lower than this one.",
            examples=[2],
        ),
    ]
    text: Annotated[str, Field(description="The word.", examples=["lighthouse"])]
    language: Annotated[str, Field(description="Language of the word (BCP 47).", examples=["en"])]
    translation: Annotated[
        str | None, Field(description="Translation of the word. Null if there is none.", examples=["Leuchtturm"])
    ]
    rank: Annotated[int | None, Field(description="Rank of the word by frequency. Null if unknown.", examples=[812])]
    picture: Annotated[
        PictureState,
        Field(
            description="Whether the word has an image: `found`; `queued` while one is searched for; `missed` if none was "
            "found lately; `none` if the word waits for the next population of the queue.",
            examples=["found"],
        ),
    ]
    created_at: Annotated[datetime, Field(description="When the word was created.")]
    updated_at: Annotated[datetime, Field(description="When the word was last changed by a request.")]
    links: Annotated[
        dict[str, str],
        Field(
            description="URLs of the word (`self`) and of its image (`image`), relative to the server.",
            examples=[{"self": f"/v1/words/{WORD_ID}", "image": f"/v1/words/{WORD_ID}/image"}],
        ),
    ]


class WordPage(Shape):
    """A page of words, ordered by id."""

    model_config = ConfigDict(json_schema_extra=linked("word_id", "/words/0/id"))

    words: Annotated[list[WordShape], Field(description="Words of this page.")]
    next: Annotated[NextPage, Field(examples=[None])]


class VocabularyEntry(Shape):
    """A word of the caller's vocabulary."""

    model_config = ConfigDict(json_schema_extra=linked("word_id", "/word/id"))

    word: Annotated[WordShape, Field(description="The word.")]
    added_at: Annotated[datetime, Field(description="When it was added to the vocabulary.")]


class VocabularyPage(Shape):
    """A page of the caller's vocabulary, in no particular order."""

    model_config = ConfigDict(json_schema_extra=linked("word_id", "/vocabulary/0/word/id"))

    vocabulary: Annotated[list[VocabularyEntry], Field(description="Words of this page.")]
    next: Annotated[NextPage, Field(examples=[None])]

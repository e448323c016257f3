"""``describe``: what a picture shows, for those who search for it or cannot see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from heliograph_analyzer.profiles.port import (
    LONGEST_ALT_TEXT,
    LONGEST_CAPTION,
    LONGEST_TAG,
    MOST_TAGS,
    RULES,
    Facts,
    Profile,
    Result,
)

_PROMPT = f"""\
You describe pictures of a gallery, so that people can find them by words and people who cannot see them know what they show.

- caption: one sentence of at most 200 characters.
- altText: what someone who cannot see the picture needs to know, in at most 400 characters; do not begin with "Picture of".
- tags: 3 to 20 single words or short terms in lower case: things, places, activities, colors, moods.
- text: the text that can be read in the picture, as it is written there, in at most 2,000 characters; empty if none.
- safety: for each flag, whether the picture clearly shows that. Medical, artistic and news pictures are flagged as well.
- If the picture is blank or nothing can be made out, say so in caption and altText, and leave tags empty.

{RULES}"""

_Tag = Annotated[str, Field(max_length=LONGEST_TAG)]


class Safety(Result):
    """What some viewers do not want to see."""

    sexual: bool = Field(description="Nudity or sexual content.")
    violence: bool = Field(description="Violence, injuries or gore.")
    self_harm: bool = Field(description="Self-harm or suicide.")
    hate: bool = Field(description="Hateful symbols or content.")
    drugs: bool = Field(description="Illegal drugs or their use.")
    weapons: bool = Field(description="Weapons.")


class Description(Result):
    """A picture in words."""

    caption: str = Field(min_length=1, max_length=LONGEST_CAPTION, description="One sentence.")
    alt_text: str = Field(
        min_length=1, max_length=LONGEST_ALT_TEXT, description="For those who cannot see the picture."
    )
    tags: list[_Tag] = Field(max_length=MOST_TAGS, description="Words to find the picture by.")
    text: str = Field(max_length=4_000, description="Text in the picture, as it is written there.")
    safety: Safety = Field(description="What some viewers do not want to see.")


def _facts(result: Mapping[str, Any]) -> Facts:
    return Facts(caption=result["caption"], alt_text=result["altText"], tags=result["tags"])


PROFILE = Profile(
    name="describe",
    version=1,
    prompt=_PROMPT,
    result=Description,
    max_output_tokens=2_000,
    facts=_facts,
    describes=True,
)

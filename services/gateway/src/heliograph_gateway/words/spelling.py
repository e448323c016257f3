"""What the text of a word may be made of, and the form in which it is kept. Pure.

Texts of all scripts are words, those written from right to left and emoji too: joiners (U+200D) and marks of direction
(U+200E, U+200F, U+061C) belong to them. Overrides and isolates of direction do not: they would turn what stands around a
word as well.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

LONGEST = 200
"""Characters of a text."""
_BANNED = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069"
"""Control characters but those that are white space, and overrides and isolates of direction."""
_INVISIBLE = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u206f\u2800\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
)
"""Characters that are not shown by themselves (Unicode's Default_Ignorable_Code_Point), and the empty braille pattern."""
_BEYOND = r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
"""More of them, in the planes that patterns of JSON Schema do not name."""
_SHOWN = re.compile(rf"[^\s{_INVISIBLE}{_BEYOND}]")
_REFUSED = re.compile(f"[{_BANNED}]")
_DIRECTION = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_SUBTAG_OF_SCRIPT, _SUBTAG_OF_REGION = 4, 2


def one_line(text: str) -> str:
    """``text`` as it is kept: composed (NFC), trimmed, each run of white space one blank.

    Raises:
        ValueError: it has a character that no word has.
    """
    if found := _REFUSED.search(text):
        raise ValueError(_refusal(found[0]))
    return " ".join(unicodedata.normalize("NFC", text).split())


def word(text: str) -> str:
    """The same of what must not be empty.

    Raises:
        ValueError: see ``one_line``, or nothing is left, or too much.
    """
    kept = one_line(text)
    if not kept:
        raise ValueError("must not be blank")
    if not _SHOWN.search(kept):
        raise ValueError("must have a visible character")
    return _short(kept)


def translation(text: str | None) -> str | None:
    """The same of what may be missing: one without a visible character is none.

    Raises:
        ValueError: see ``one_line``, or too much is left.
    """
    if text is None:
        return None
    kept = _short(one_line(text))
    return kept if _SHOWN.search(kept) else None


def searched(text: str) -> str:
    """What is looked for, in the form of what is kept."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def language(tag: str) -> str:
    """A language tag in its usual case, such as ``pt-BR`` (RFC 5646, 2.1.1)."""
    first, *others = tag.split("-")
    return "-".join([first.lower(), *map(_cased, others)])


def _cased(subtag: str) -> str:
    if len(subtag) == _SUBTAG_OF_REGION:
        return subtag.upper()
    return subtag.title() if len(subtag) == _SUBTAG_OF_SCRIPT and subtag.isalpha() else subtag.lower()


def _short(kept: str) -> str:
    if len(kept) > LONGEST:  # a few characters are longer when they are composed
        raise ValueError(f"must have at most {LONGEST} characters")
    return kept


def _refusal(character: str) -> str:
    code = f"U+{ord(character):04X}"
    if _DIRECTION.match(character):
        return f"must not contain {code}, which changes the direction of the text around it"
    return f"must not contain the control character {code}"


# As validators, because pydantic would answer a pattern that does not match with the pattern itself.
Text = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST,
        json_schema_extra={"pattern": rf"^[^{_BANNED}]*[^{_BANNED}{_INVISIBLE}\s][^{_BANNED}]*$"},
    ),
    AfterValidator(word),
]
Translation = Annotated[
    str | None,
    Field(max_length=LONGEST, json_schema_extra={"pattern": f"^[^{_BANNED}]*$"}),
    AfterValidator(translation),
]
Language = Annotated[
    str,
    Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", max_length=30),
    AfterValidator(language),
]

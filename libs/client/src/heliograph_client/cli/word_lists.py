"""Lists of words in files, as spreadsheets write them: read, checked, and what is wrong named by line. Sends nothing.

The first line names the columns, in any order: ``text``, which must be there, ``language``, ``translation``, ``rank`` and
``id``. They are separated by commas, semicolons or tabs. What the server would refuse is found here first, so that a
file is sent as a whole or not at all.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heliograph_client.errors import HeliographError
from heliograph_client.word_models import WordEntry

COLUMNS = ("text", "language", "translation", "rank", "id")
_SEPARATORS = ",;\t"
_LONGEST = 200
_HIGHEST_RANK = (1 << 31) - 1
_ID = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_RESERVED = frozenset({"sync", "stats"})
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_STRANGE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class _Bad(ValueError):
    """A line that cannot be sent, and what to do about it."""


@dataclass(frozen=True)
class WordList:
    """The words of a file, with the line of each; ``wrong`` lines with their faults, and columns that are ``unknown``."""

    words: list[WordEntry] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    wrong: list[tuple[int, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def read(path: Path, language: str | None = None) -> WordList:
    """The list in a file. ``language`` is that of words for which the file names none.

    Raises:
        HeliographError: it is no list of words.
        OSError: it cannot be read.
    """
    text = _decoded(path)
    first = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=lambda each: len(_known(first, each)))
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header = [name.strip().lower() for name in next(_rows(rows), (1, []))[1]]
    _check_header(path, header, language)
    found = WordList(unknown=[name for name in header if name and name not in COLUMNS])
    for line, row in _rows(rows, found.wrong):
        try:
            word = _word(row, header, language)
        except _Bad as error:
            found.wrong.append((line, str(error)))
        else:
            found.words.append(word)
            found.lines.append(line)
    return found


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise HeliographError(f"{path}:{line}: not UTF-8; save the file with the encoding UTF-8") from None


def _known(first: str, separator: str) -> set[str]:
    return {name.strip().strip('"').lower() for name in first.split(separator)} & set(COLUMNS)


def _check_header(path: Path, header: Sequence[str], language: str | None) -> None:
    if "text" not in header:
        raise HeliographError(f"{path}:1: no column `text`; name the columns in the first line: {','.join(COLUMNS)}")
    if twice := sorted({name for name in header if name in COLUMNS and header.count(name) > 1}):
        raise HeliographError(f"{path}:1: two columns `{twice[0]}`; remove one of them")
    if "language" not in header and language is None:
        raise HeliographError(f"{path}:1: no column `language`; add it, or give --language, such as --language en")


def _rows(rows: Any, wrong: list[tuple[int, str]] | None = None) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the line on which it begins; those that cannot be parsed go to ``wrong``."""
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            if wrong is not None:
                wrong.append((line, "quotation marks do not match; close them, and double those inside a text"))
            continue
        if any(cell.strip() for cell in row):
            yield line, row


def _word(row: Sequence[str], header: Sequence[str], language: str | None) -> WordEntry:
    if any(cell.strip() for cell in row[len(header) :]):
        raise _Bad(f"{len(row)} cells, but {len(header)} columns; put quotation marks around texts with separators")
    cells = {name: cell for name, cell in zip(header, row, strict=False) if name in COLUMNS}
    text = _line(cells.get("text", ""), "text")
    if not text:
        raise _Bad("no text; fill it in, or remove the line")
    return WordEntry(
        text=text,
        language=_language(cells.get("language", "").strip() or language or ""),
        translation=_line(cells.get("translation", ""), "translation") or None,
        rank=_rank(cells.get("rank", "").strip()),
        id=_id(cells.get("id", "").strip()),
    )


def _line(cell: str, name: str) -> str:
    """As the server keeps it: composed, and each run of white space one blank."""
    if found := _STRANGE.search(cell):
        raise _Bad(f"{name} has the control character U+{ord(found[0]):04X}; remove it")
    kept = " ".join(unicodedata.normalize("NFC", cell).split())
    if len(kept) > _LONGEST:
        raise _Bad(f"{name} has {len(kept):,} characters; shorten it to {_LONGEST}")
    return kept


def _language(code: str) -> str:
    if not code:
        raise _Bad("no language; give a code such as en, or --language for all lines without one")
    if not _LANGUAGE.fullmatch(code):
        raise _Bad(f"language {code[:40]!r} is no code; give one such as en or pt-BR")
    return code


def _rank(cell: str) -> int | None:
    if not cell:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", cell) or not 1 <= int(cell) <= _HIGHEST_RANK:
        raise _Bad(f"rank {cell[:40]!r} is no whole number above 0; correct it, or leave it empty")
    return int(cell)


def _id(cell: str) -> str | None:
    if cell and (not _ID.fullmatch(cell) or cell in _RESERVED):
        raise _Bad(
            f"id {cell[:80]!r} is not allowed; use up to 64 letters, digits, ., _, ~ and -, but neither sync nor stats"
        )
    return cell or None

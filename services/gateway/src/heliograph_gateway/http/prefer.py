"""What a client prefers (RFC 7240): so far, how long it waits for an answer. Pure.

Preferences are wishes: what is not known, or makes no sense, is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

APPLIED = "Preference-Applied"


def wait_seconds(headers: Iterable[str], *, most: int) -> int:
    """How many seconds, at most ``most``, the ``Prefer`` headers of a request ask to wait; 0: it does not wait. Where that
    is said twice, the first counts (RFC 7240, 2)."""
    for header in headers:
        for preference in _preferences(header):
            name, _, value = preference.partition(";")[0].partition("=")
            if name.strip().lower() == "wait":
                return _bounded(value.strip().strip('"'), most)
    return 0


def _bounded(digits: str, most: int) -> int:
    if not (digits.isascii() and digits.isdecimal()):
        return 0
    return most if len(digits) > 9 else min(int(digits), most)


def _preferences(header: str) -> Iterator[str]:
    """The preferences of one header: commas part them, but for those in quotes."""
    start, quoted, escaped = 0, False, False
    for at, character in enumerate(header):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            yield header[start:at]
            start = at + 1
    yield header[start:]

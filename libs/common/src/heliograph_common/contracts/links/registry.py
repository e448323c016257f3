"""The sources of imports by name, and what each makes of a link. A new source is a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from heliograph_common.contracts.links import dropbox, google_drive

URLS = "urls"
"""The source of lists of addresses, which has no link."""

Parse = Callable[[str], Mapping[str, str]]
"""Reads a link. Raises ``ValueError`` with the remedy where it is none to a folder."""

LINKS: Mapping[str, Parse] = {"google_drive": google_drive.parse, "dropbox": dropbox.parse}
SOURCES: tuple[str, ...] = (*LINKS, URLS)

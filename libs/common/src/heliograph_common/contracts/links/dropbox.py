"""Links to folders of Dropbox."""

from __future__ import annotations

from collections.abc import Mapping


def parse(link: str) -> Mapping[str, str]:
    """What the link says of the folder.

    Raises:
        ValueError: it is no link to a folder; the message names the remedy.
    """
    raise NotImplementedError

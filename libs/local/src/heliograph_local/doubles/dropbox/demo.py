"""A Dropbox with a few pictures in it, for trying imports without an account."""

from __future__ import annotations

from heliograph_local.doubles.dropbox.app import DropboxDouble
from heliograph_local.doubles.dropbox.tree import Folder
from heliograph_local.first_picture import sample_picture

TOKEN = "demo-token"  # noqa: S105 - of the double
_PICTURES = {
    "Sunrise.jpg": (1200, 800),
    "Panorama.jpg": (2000, 500),
    "2025/Täglich/Morgenröte.jpg": (900, 900),
    "2025/日の出.jpg": (640, 960),
}


def demo() -> DropboxDouble:
    """A double with one folder that is shared by ``LINK``, and an account, by ``TOKEN``, in which it is ``/Photos``."""
    own = Folder(name="Heliograph demo")
    photos = own.folder("/Photos")
    for path, (width, height) in _PICTURES.items():
        photos.file(path, sample_picture(width, height))
    photos.file("Notes.txt", b"Pictures of a sun that never rose.\n")
    photos.file("Diary.paper").exported_as = "docx"
    double = DropboxDouble()
    double.share(photos, ident="heliograph", key="sunrise")
    double.account(own, token=TOKEN)
    return double


LINK = "https://www.dropbox.com/scl/fo/heliograph/double?rlkey=sunrise&dl=0"
"""The link to the demo's folder."""

"""A folder to try imports with."""

from __future__ import annotations

from heliograph_local.doubles.google_drive.tree import ANYONE, Tree

FOLDER_ID = "1HeliographDemoPictures0000000000"
LINK = f"https://drive.google.com/drive/folders/{FOLDER_ID}"


def add_demo(tree: Tree) -> str:
    """Adds a folder that anyone with the link can view, and returns the link: pictures, a folder with more of them,
    shortcuts, a text and a document."""
    top = tree.folder("Demo pictures", id=FOLDER_ID, shared=ANYONE)
    for number, (width, height) in enumerate([(1600, 1200), (1200, 1600), (2048, 1152), (1080, 1080)], 1):
        tree.picture(f"sunrise-{number}.jpg", top, width, height)
    more = tree.folder("Evening", top)
    first = tree.picture("sunset-1.jpg", more, 1920, 1280)
    tree.picture("sunset-2.jpg", more, 1280, 1920)
    tree.shortcut("the best one", top, first)
    tree.shortcut("back to the top", more, top)
    tree.file("read me.txt", top, b"Pictures to try an import with.\n", "text/plain")
    tree.document("Plans", top)
    return LINK

"""All doubles as one application, with something to import in each."""

from __future__ import annotations

from mimetypes import guess_type
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from heliograph_local.doubles.addresses import DROPBOX, GOOGLE, OPENAI, UNSPLASH, USER_SERVICE, WEB
from heliograph_local.doubles.dropbox import demo as dropbox_demo
from heliograph_local.doubles.google_drive import ANYONE, DriveDouble, add_demo
from heliograph_local.doubles.openai import OpenAIDouble
from heliograph_local.doubles.unsplash import UnsplashDouble
from heliograph_local.doubles.user_service import UserServiceDouble
from heliograph_local.doubles.web.double import WebDouble

PICTURES_ID = "1HeliographPicturesOfThisMachine0"


class Doubles:
    """Each double below a path of its own (``addresses``); ``GET /`` tells what there is to import. ``pictures``: a
    folder of this machine, which is a folder of the Drive, too. ``calls``: a file that gets what OpenAI is asked,
    ``photo_calls`` one for what Unsplash is asked."""

    def __init__(
        self, pictures: Path | None = None, calls: Path | None = None, photo_calls: Path | None = None
    ) -> None:
        self.drive = DriveDouble()
        self.dropbox = dropbox_demo.demo()
        self.web = WebDouble.with_demo_pictures()
        self.openai = OpenAIDouble(calls)
        self.user_service = UserServiceDouble()
        self.unsplash = UnsplashDouble(photo_calls)
        self._links = {"google_drive": add_demo(self.drive.tree), "dropbox": dropbox_demo.LINK}
        if pictures is not None:
            self._links["pictures"] = _add_folder(self.drive, pictures)
        self.app = Starlette(
            routes=[
                Route("/", self._index),
                Mount(GOOGLE, self.drive.app),
                Mount(DROPBOX, self.dropbox.app),
                Mount(WEB, self.web.app),
                Mount(OPENAI, self.openai.app),
                Mount(USER_SERVICE, self.user_service.app),
                Mount(UNSPLASH, self.unsplash.app),
            ]
        )

    async def _index(self, request: Request) -> Response:
        base = str(request.base_url).rstrip("/")
        urls = [f"{base}{WEB}/pictures/{name}" for name in self.web.names]
        return JSONResponse({**self._links, "urls": urls})


def _add_folder(drive: DriveDouble, pictures: Path) -> str:
    """Adds the files of a folder, in the order of their names, and returns the link to it."""
    top = drive.tree.folder(pictures.name, id=PICTURES_ID, shared=ANYONE)
    for path in sorted(pictures.iterdir()):
        if path.is_file():
            mime_type = guess_type(path.name)[0] or "application/octet-stream"
            drive.tree.file(path.name, top, path.read_bytes(), mime_type)
    return f"https://drive.google.com/drive/folders/{PICTURES_ID}"

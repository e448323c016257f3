"""All doubles as one application, with something to import in each."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from heliograph_local.doubles.addresses import DROPBOX, GOOGLE, WEB
from heliograph_local.doubles.dropbox import demo as dropbox_demo
from heliograph_local.doubles.google_drive import DriveDouble, add_demo
from heliograph_local.doubles.web.double import WebDouble


class Doubles:
    """Each double below a path of its own (``addresses``); ``GET /`` tells what there is to import."""

    def __init__(self) -> None:
        self.drive = DriveDouble()
        self.dropbox = dropbox_demo.demo()
        self.web = WebDouble.with_demo_pictures()
        self._links = {"google_drive": add_demo(self.drive.tree), "dropbox": dropbox_demo.LINK}
        self.app = Starlette(
            routes=[
                Route("/", self._index),
                Mount(GOOGLE, self.drive.app),
                Mount(DROPBOX, self.dropbox.app),
                Mount(WEB, self.web.app),
            ]
        )

    async def _index(self, request: Request) -> Response:
        base = str(request.base_url).rstrip("/")
        urls = [f"{base}{WEB}/pictures/{name}" for name in self.web.names]
        return JSONResponse({**self._links, "urls": urls})

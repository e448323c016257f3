"""What routes are given, by its type: the objects that ``bootstrap`` chose, or the fakes of a test.

A feature that needs a service of its own names its class: ``Annotated[Words, Depends(provided(Words))]``; ``bootstrap`` adds
the object under that class. What most features need stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from heliograph_common.blobs.port import Blobs
from heliograph_common.db.engine import Database
from heliograph_common.messaging.transaction import Messenger
from heliograph_gateway.settings import GatewaySettings

_Service = TypeVar("_Service")


class Services:
    """Objects by the type under which routes ask for them."""

    def __init__(self, by_type: Mapping[type[Any], Any]) -> None:
        self._by_type = by_type

    def get(self, kind: type[_Service]) -> _Service:
        """The object that is ``kind``.

        Raises:
            LookupError: ``bootstrap`` has added none.
        """
        if kind not in self._by_type:
            raise LookupError(f"no {kind.__name__} was provided: bootstrap must add one to the application's services")
        found: _Service = self._by_type[kind]
        return found


def services(request: Request) -> Services:
    """Those of the application."""
    found: Services = request.app.state.services
    return found


def provided(kind: type[_Service]) -> Callable[[Request], _Service]:
    """A dependency of FastAPI: the object that is ``kind``."""

    def find(request: Request) -> _Service:
        return services(request).get(kind)

    return find


Db = Annotated[Database, Depends(provided(Database))]
Messages = Annotated[Messenger, Depends(provided(Messenger))]
Objects = Annotated[Blobs, Depends(provided(Blobs))]
Settings = Annotated[GatewaySettings, Depends(provided(GatewaySettings))]

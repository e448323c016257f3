"""Typed client of Heliograph: ``AsyncClient``, ``Client`` for code without an event loop, and their errors.

    async with AsyncClient() as client:
        image = await client.upload("sunrise.jpg")
        image = await client.wait(image.id)

Names are loaded when they are first used, so that the command line starts fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heliograph_client.analysis_models import Analysis as Analysis
    from heliograph_client.client import AsyncClient as AsyncClient
    from heliograph_client.connection import Connection as Connection
    from heliograph_client.connection import find_connection as find_connection
    from heliograph_client.errors import HeliographError as HeliographError
    from heliograph_client.errors import ProblemError as ProblemError
    from heliograph_client.import_models import Import as Import
    from heliograph_client.import_models import ProviderToken as ProviderToken
    from heliograph_client.models import Event as Event
    from heliograph_client.models import Image as Image
    from heliograph_client.models import Rendition as Rendition
    from heliograph_client.models import Reset as Reset
    from heliograph_client.retry import RetryPolicy as RetryPolicy
    from heliograph_client.sync import Client as Client
    from heliograph_client.word_models import Word as Word
    from heliograph_client.word_models import WordEntry as WordEntry

_HOMES = {
    "Analysis": "analysis_models",
    "AsyncClient": "client",
    "Client": "sync",
    "Connection": "connection",
    "Event": "models",
    "HeliographError": "errors",
    "Image": "models",
    "Import": "import_models",
    "ProblemError": "errors",
    "ProviderToken": "import_models",
    "Rendition": "models",
    "Reset": "models",
    "RetryPolicy": "retry",
    "Word": "word_models",
    "WordEntry": "word_models",
    "find_connection": "connection",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605 - a list of the table's names


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

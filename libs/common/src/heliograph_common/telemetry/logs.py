"""Logs: one JSON object (or, in development, one coloured line) an event, with service, trace and redaction.

``runtime.run`` calls ``setup_logs`` once. Code logs with ``structlog.get_logger()``; the standard library's loggers
(uvicorn, nats, sqlalchemy) end in the same handler. ``structlog.contextvars`` carries ``image_id`` and ``owner``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from heliograph_common.settings import LogSettings
from heliograph_common.telemetry.redaction import redact
from heliograph_common.telemetry.tracing import current_trace_id

# Libraries whose "info" is one line a request or connection; ours say the same with trace and route. "debug" of openai has
# whole requests, with prompt and picture.
_QUIET = ("uvicorn.access", "uvicorn.error", "httpx2", "httpcore2", "openai", "urllib3")


def setup_logs(service: str, settings: LogSettings, *, stream: TextIO | None = None) -> None:
    """Sends structlog and the standard library's logging to ``stream`` (default standard output)."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _identity(service),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.StackInfoRenderer(),
                structlog.processors.format_exc_info,
                hide_secrets,
                _renderer(settings),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(capture=True)


def hide_secrets(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """The last processor before rendering; exceptions are text by then."""
    hidden: MutableMapping[str, Any] = redact(event_dict)
    return hidden


def _identity(service: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
        event_dict["service"] = service
        if "trace_id" not in event_dict and (trace_id := current_trace_id()):
            event_dict["trace_id"] = trace_id
        return event_dict

    return add


def _renderer(settings: LogSettings) -> Processor:
    if settings.format == "console":
        return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    return structlog.processors.JSONRenderer(serializer=_json)


def _json(event: Any, **_: Any) -> str:
    return msgspec.json.encode(event).decode()

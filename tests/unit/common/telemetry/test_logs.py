from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from heliograph_common.settings import LogSettings
from heliograph_common.telemetry.logs import setup_logs
from heliograph_common.telemetry.tracing import current_trace_id, tracer


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_names_service_trace_and_bound_context(recorded: InMemorySpanExporter) -> None:
    stream = io.StringIO()
    setup_logs("gateway", LogSettings(), stream=stream)
    with tracer().start_as_current_span("x"), structlog.contextvars.bound_contextvars(image_id="i1", owner="ann"):
        trace_id = current_trace_id()
        structlog.get_logger().info("stored", bytes=3)

    [line] = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "stored",
        "level": "info",
        "service": "gateway",
        "trace_id": trace_id,
        "image_id": "i1",
        "owner": "ann",
        "bytes": 3,
    }


def test_the_standard_library_comes_out_the_same() -> None:
    stream = io.StringIO()
    setup_logs("gateway", LogSettings(level="warning"), stream=stream)
    logging.getLogger("nats").info("too quiet")
    logging.getLogger("nats").warning("lost %s", "nats://ann:hunter2@nats:4222", extra={"attempt": 2})

    [line] = lines(stream)
    assert line["event"] == "lost nats://[hidden]@nats:4222"
    assert (line["logger"], line["level"], line["service"], line["attempt"]) == ("nats", "warning", "gateway", 2)


def sign(url: str) -> None:
    raise ValueError(f"cannot sign {url}") from RuntimeError("password=hunter2")


@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_do_not_get_through_even_in_exceptions(form: str) -> None:
    stream = io.StringIO()
    setup_logs("gateway", LogSettings.model_validate({"format": form}), stream=stream)
    url = "http://s3/b/k?X-Amz-Credential=AKhunter2&X-Amz-Signature=hunter2"
    try:
        sign(url)
    except ValueError:
        structlog.get_logger().exception("failed", secret_key="hunter2", nested={"token": "hunter2"})
        logging.getLogger("uvicorn.error").exception("GET %s", url)

    assert "hunter2" not in stream.getvalue()
    assert "cannot sign" in stream.getvalue()
    assert "RuntimeError" in stream.getvalue()


def test_requests_of_models_are_in_no_log() -> None:
    """The SDK's "debug" has whole requests, with prompt and picture."""
    stream = io.StringIO()
    setup_logs("analyzer", LogSettings(level="debug"), stream=stream)
    logging.getLogger("openai._base_client").debug("Request options: %s", {"json_data": "picture"})
    assert lines(stream) == []

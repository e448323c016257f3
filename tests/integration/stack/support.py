"""A stack that is up, and a receiver of its traces."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from heliograph_client import AsyncClient
from heliograph_client.connection import find_connection
from heliograph_local.faults import Faults


@dataclass(frozen=True)
class SpanSeen:
    """A span as it came over OTLP; ids in hexadecimal, kind as the protocol numbers it."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: dict[str, Any]
    error: bool


@dataclass
class Receiver:
    """An OTLP/HTTP receiver that keeps all spans."""

    port: int = 0
    spans: list[SpanSeen] = field(default_factory=list)

    def of_trace(self, trace: str) -> list[SpanSeen]:
        """All spans of one trace so far."""
        return [span for span in list(self.spans) if span.trace == trace]

    def take(self, body: bytes) -> None:
        """Reads one export request."""
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        SpanSeen(
                            service=service,
                            name=span.name,
                            kind=span.kind,
                            trace=span.trace_id.hex(),
                            id=span.span_id.hex(),
                            parent=span.parent_span_id.hex(),
                            links=tuple(link.span_id.hex() for link in span.links),
                            attributes={a.key: a.value.string_value or a.value.int_value for a in span.attributes},
                            error=span.status.code == 2,
                        )
                    )


@dataclass(frozen=True)
class Running:
    """A stack that is up; ``said`` is what its command printed."""

    data: Path
    connection: dict[str, Any]
    faults: Faults
    traces: Receiver
    said: str

    def client(self) -> AsyncClient:
        """A client of it; a user's token, an administrator's where needed."""
        return AsyncClient(find_connection(data=self.data, environment={}))

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs the `heliograph` command against it."""
        return subprocess.run(
            [sys.executable, "-m", "heliograph_client", *arguments],
            env=os.environ | {"HELIOGRAPH_DATA": str(self.data)},
            capture_output=True,
            text=True,
            timeout=300,
            check=check,
        )

    def process(self, name: str) -> psutil.Process:
        """The process of a service or server."""
        return psutil.Process(self.faults.pid(name))

    def restarts(self) -> dict[str, int]:
        """How often each process was started again."""
        status = json.loads(self.cli("dev", "status", "--json").stdout)
        return {row["name"]: row["restarts"] for row in status["processes"]}

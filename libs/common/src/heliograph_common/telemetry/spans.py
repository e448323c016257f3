"""Names, keys and shapes of all spans. Bus, blobs, db and the services open their spans through these helpers.

Follows the OpenTelemetry semantic conventions of ``tracing.SCHEMA_URL``; the messaging part is still "development" there
and may be renamed, which is why no other module writes a name or a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from heliograph_common.contracts import subjects
from heliograph_common.telemetry.redaction import redact_text
from heliograph_common.telemetry.tracing import extract, inject, tracer

MESSAGING_SYSTEM = "messaging.system"
MESSAGING_OPERATION_NAME = "messaging.operation.name"
MESSAGING_OPERATION_TYPE = "messaging.operation.type"
MESSAGING_DESTINATION = "messaging.destination.name"
MESSAGING_TEMPLATE = "messaging.destination.template"
MESSAGING_CONSUMER_GROUP = "messaging.consumer.group.name"
MESSAGING_MESSAGE_ID = "messaging.message.id"
MESSAGING_BATCH_COUNT = "messaging.batch.message_count"
DELIVERIES = "heliograph.message.deliveries"
"""How often the message was delivered, this time included; above 1 it is a retry."""
OUTCOME = "heliograph.message.outcome"
"""What became of the message: ``ack``, ``nak``, ``dead`` or ``stale``."""
IMAGE_ID = "heliograph.image.id"
IMPORT_ID = "heliograph.import.id"
WORD_ID = "heliograph.word.id"
SCALER = "heliograph.scaler.name"
SCALE_TARGET = "heliograph.scaler.target"
SCALE_FROM = "heliograph.scaler.replicas.from"
SCALE_TO = "heliograph.scaler.replicas.to"
SCALE_TERM = "heliograph.scaler.term"
BACKLOG = "heliograph.scaler.backlog"
DB_SYSTEM = "db.system.name"
DB_OPERATION = "db.operation.name"
S3_KEY = "aws.s3.key"
S3_BUCKET = "aws.s3.bucket"
RPC_SYSTEM = "rpc.system.name"
RPC_METHOD = "rpc.method"
HTTP_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
URL_PATH = "url.path"
URL_TEMPLATE = "url.template"
URL_SCHEME = "url.scheme"
ERROR_TYPE = "error.type"
GEN_AI_OPERATION = "gen_ai.operation.name"
GEN_AI_PROVIDER = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL = "gen_ai.request.model"
GEN_AI_REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
GEN_AI_OUTPUT_TYPE = "gen_ai.output.type"
GEN_AI_RESPONSE_MODEL = "gen_ai.response.model"
GEN_AI_RESPONSE_ID = "gen_ai.response.id"
GEN_AI_FINISH_REASONS = "gen_ai.response.finish_reasons"
GEN_AI_INPUT_TOKENS = "gen_ai.usage.input_tokens"
GEN_AI_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
GEN_AI_CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"

_FIRST_ERROR = 400


@contextmanager
def send_span(subject: str, *, message_id: str, headers: MutableMapping[str, str]) -> Iterator[Span]:
    """PRODUCER span around publishing one message.

    Its parent is the context in ``headers`` (of the transaction that wrote the outbox row), or the current span where
    they have none. Inside the block ``headers`` carry the context of this span, for the consumer to continue.
    """
    parent = extract(headers) if "traceparent" in headers else None
    attributes = {**_messaging("send", subject), MESSAGING_MESSAGE_ID: message_id}
    with _span(f"send {subjects.template_of(subject)}", SpanKind.PRODUCER, attributes, context=parent) as span:
        inject(headers)
        yield span


def receive_span(subject: str, *, consumer: str, batch: Sequence[Mapping[str, str]], start_ns: int) -> None:
    """Records a CLIENT span from ``start_ns`` (Unix time) to now for a pull that brought messages, each with headers
    in ``batch``; they are linked. Empty pulls are not recorded: a waiting worker would make nothing else."""
    span = tracer().start_span(
        f"receive {subjects.template_of(subject)}",
        context=Context(),
        kind=SpanKind.CLIENT,
        attributes={
            **_messaging("receive", subject),
            MESSAGING_CONSUMER_GROUP: consumer,
            MESSAGING_BATCH_COUNT: len(batch),
        },
        links=[link for headers in batch for link in _links(extract(headers))],
        start_time=start_ns,
    )
    span.end()


@contextmanager
def process_span(
    subject: str, *, consumer: str, message_id: str, headers: Mapping[str, str], deliveries: int
) -> Iterator[Span]:
    """CONSUMER span around handling one message: a child of the context in which the message was made, and linked to
    it. ``deliveries`` counts this one."""
    creation = extract(headers)
    attributes = {
        **_messaging("process", subject),
        MESSAGING_CONSUMER_GROUP: consumer,
        MESSAGING_MESSAGE_ID: message_id,
        DELIVERIES: deliveries,
    }
    name = f"process {subjects.template_of(subject)}"
    with _span(name, SpanKind.CONSUMER, attributes, context=creation, links=_links(creation)) as span:
        yield span


@contextmanager
def client_span(system: str, operation: str, attributes: Mapping[str, AttributeValue] | None = None) -> Iterator[Span]:
    """CLIENT span around one call of ``system`` (``postgresql``, ``aws.s3``, ``openai``), such as ``aws.s3 put``."""
    keys = (RPC_SYSTEM, RPC_METHOD) if system == "aws.s3" else (DB_SYSTEM, DB_OPERATION)
    described = {keys[0]: system, keys[1]: operation, **(attributes or {})}
    with _span(f"{system} {operation}", SpanKind.CLIENT, described) as span:
        yield span


@contextmanager
def http_span(method: str, host: str, port: int | None = None, template: str = "") -> Iterator[Callable[[int], None]]:
    """CLIENT span around one HTTP request of a server that is not ours, until its answer begins; the answer's status goes
    to the function that is yielded. ``template`` is the path without what differs between requests (``files/{id}``), where
    it is known. Paths and queries stay out: they have names of users' files, and tokens. Nothing is injected: no header
    tells others about our traces."""
    described: dict[str, AttributeValue] = {HTTP_METHOD: method, SERVER_ADDRESS: host}
    if port is not None:
        described[SERVER_PORT] = port
    if template:
        described[URL_TEMPLATE] = template
    with _span(f"{method} {template}".strip(), SpanKind.CLIENT, described) as span:

        def answered(status: int) -> None:
            span.set_attribute(HTTP_STATUS, status)
            if status >= _FIRST_ERROR:
                span.set_attribute(ERROR_TYPE, str(status))
                span.set_status(Status(StatusCode.ERROR))

        yield answered


class ChatAnswered(Protocol):
    """Notes what a model answered on its span."""

    def __call__(
        self,
        *,
        model: str,
        response_id: str,
        finish_reason: str,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int = 0,
    ) -> None:
        """``finish_reason`` is ``stop``, ``length``, ``content_filter`` or ``refusal``; ``cached_tokens`` are a part of
        ``input_tokens``."""


@contextmanager
def chat_span(model: str, *, provider: str, max_tokens: int, host: str, port: int | None) -> Iterator[ChatAnswered]:
    """CLIENT span around one question to a model, by the conventions for generative AI. What the model answered goes to the
    function that is yielded. Prompt, picture and answer stay out, and so do the texts of errors, which may quote them."""
    described: dict[str, AttributeValue] = {
        GEN_AI_OPERATION: "chat",
        GEN_AI_PROVIDER: provider,
        GEN_AI_REQUEST_MODEL: model,
        GEN_AI_REQUEST_MAX_TOKENS: max_tokens,
        GEN_AI_OUTPUT_TYPE: "json",
        SERVER_ADDRESS: host,
    }
    if port is not None:
        described[SERVER_PORT] = port
    with _span(f"chat {model}", SpanKind.CLIENT, described, quoting=False) as span:

        def answered(
            *,
            model: str,
            response_id: str,
            finish_reason: str,
            input_tokens: int,
            output_tokens: int,
            cached_tokens: int = 0,
        ) -> None:
            span.set_attributes(
                {
                    GEN_AI_RESPONSE_MODEL: model,
                    GEN_AI_RESPONSE_ID: response_id,
                    GEN_AI_FINISH_REASONS: [finish_reason],
                    GEN_AI_INPUT_TOKENS: input_tokens,
                    GEN_AI_OUTPUT_TOKENS: output_tokens,
                    GEN_AI_CACHED_TOKENS: cached_tokens,
                }
            )

        yield answered


@contextmanager
def scale_span(scaler: str, *, target: str, was: int, to: int, term: str, backlog: int) -> Iterator[Span]:
    """INTERNAL span around one change of the replicas of ``target``; the requests to the API server are in it."""
    described: dict[str, AttributeValue] = {
        SCALER: scaler,
        SCALE_TARGET: target,
        SCALE_FROM: was,
        SCALE_TO: to,
        SCALE_TERM: term,
        BACKLOG: backlog,
    }
    with _span(f"scale {scaler}", SpanKind.INTERNAL, described) as span:
        yield span


def step_span(
    name: str, start_ns: int, end_ns: int, attributes: Mapping[str, AttributeValue] | None = None, error: str = ""
) -> None:
    """Records a child of the current span after the fact, from ``start_ns`` to ``end_ns`` (Unix time in nanoseconds):
    render steps are timed in a child process, which exports nothing itself."""
    span = tracer().start_span(name, attributes=dict(attributes or {}), start_time=start_ns)
    if error:
        span.set_status(Status(StatusCode.ERROR, redact_text(error)))
    span.end(end_time=end_ns)


def record_error(span: Span, error: BaseException) -> None:
    """Marks ``span`` as failed by ``error``; its text goes out redacted, its stack trace only to the log."""
    span.set_attribute(ERROR_TYPE, type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR, redact_text(f"{type(error).__name__}: {error}")))


@contextmanager
def _span(
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, AttributeValue],
    *,
    context: Context | None = None,
    links: Sequence[Link] = (),
    quoting: bool = True,
) -> Iterator[Span]:
    with tracer().start_as_current_span(
        name,
        context=context,
        kind=kind,
        attributes=dict(attributes),
        links=links,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except Exception as error:
            if quoting:
                record_error(span, error)
            else:
                span.set_attribute(ERROR_TYPE, type(error).__qualname__)
                span.set_status(Status(StatusCode.ERROR))
            raise


def _messaging(operation: str, subject: str) -> dict[str, AttributeValue]:
    return {
        MESSAGING_SYSTEM: "nats",
        MESSAGING_OPERATION_NAME: operation,
        MESSAGING_OPERATION_TYPE: operation,
        MESSAGING_DESTINATION: subject,
        MESSAGING_TEMPLATE: subjects.template_of(subject),
    }


def _links(context: Context) -> list[Link]:
    creation = trace.get_current_span(context).get_span_context()
    return [Link(creation)] if creation.is_valid else []

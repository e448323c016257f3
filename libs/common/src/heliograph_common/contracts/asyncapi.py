"""The messages in the streams, as parts of an AsyncAPI 3.1 document. Pure; the notifier's ``asyncapi`` makes the whole.

Schemas are msgspec's own of the classes that encode and decode, so that they cannot say anything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, get_args, get_origin

import msgspec

from heliograph_common.contracts import subjects
from heliograph_common.contracts.body import Body
from heliograph_common.contracts.envelope import CONTENT_TYPE, DATA, HEADER_MESSAGE_ID, TYPE, VERSION, Envelope
from heliograph_common.contracts.messages import COMMANDS, EVENTS, DeadLetter
from heliograph_common.contracts.streams import STREAMS, StreamSpec

Object = dict[str, Any]

_TRACEPARENT = "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"  # W3C Trace Context


@dataclass
class Parts:
    """What a document has in its sections of these names."""

    channels: Object = field(default_factory=dict)
    operations: Object = field(default_factory=dict)
    messages: Object = field(default_factory=dict)
    schemas: Object = field(default_factory=dict)


def parts(server: str) -> Parts:
    """All commands, events and dead letters on the server of this name."""
    made = Parts()
    made.schemas = schemas_of(*COMMANDS, *EVENTS, DeadLetter)
    add = _Adder(made, server)
    for command in COMMANDS:
        for subject, receiver in command.receivers.items():
            add(subject, command, receive=receiver.sentence)
    for event in EVENTS:
        add(subjects.event(event.type), event, receive="Received by notifiers, which forward it to clients.")
    add(subjects.dead("{service}"), DeadLetter, receive="Read by administrators, who replay or delete it.")
    return made


def schemas_of(*types: type[msgspec.Struct]) -> dict[str, Object]:
    """JSON Schemas of ``types`` and of what they use, by name."""
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = _plain(schema["description"])
        if "op" in schema.get("properties", {}):
            schema["properties"]["op"]["description"] = "Kind of the frame."
    for struct in types:
        schemas[struct.__name__]["description"] = _plain(struct.__doc__ or "")
        for known in msgspec.structs.fields(struct):
            if _is_time(known.type):  # msgspec names no format, because it would take times without a zone
                schemas[struct.__name__]["properties"][known.encode_name]["format"] = "date-time"
    return schemas


def message_id(body: type[Body]) -> str:
    """``imageReady`` for ``image.ready``."""
    return camel(body.type)


def camel(name: str) -> str:
    """``workRenderHigh`` for ``work.render.high``; braces are dropped."""
    first, *rest = name.replace("{", "").replace("}", "").replace("_", ".").split(".")
    return first + "".join(word.title() for word in rest)


def reference(*path: str) -> Object:
    """A reference within the document."""
    return {"$ref": "#/" + "/".join(path)}


def trace_context() -> Object:
    """Schemas of ``traceparent`` and ``tracestate``."""
    return {
        "traceparent": {
            "type": "string",
            "pattern": _TRACEPARENT,
            "description": "Trace that the message belongs to (W3C Trace Context). Missing if it was not traced.",
        },
        "tracestate": {"type": "string", "description": "State of the tracing systems (W3C Trace Context)."},
    }


def first_line(documented: type) -> str:
    """The first paragraph of a docstring in one line."""
    return _plain((documented.__doc__ or "").split("\n\n", maxsplit=1)[0])


def _plain(docstring: str) -> str:
    """In one line, with code as Markdown has it."""
    return " ".join(docstring.split()).replace("``", "`")


def _is_time(annotation: Any) -> bool:
    return annotation is datetime or (get_origin(annotation) is Annotated and get_args(annotation)[0] is datetime)


@dataclass(frozen=True)
class _Adder:
    """Adds one channel with its message and its two operations."""

    made: Parts
    server: str

    def __call__(self, subject: str, body: type[Body], *, receive: str) -> None:
        channel, message = camel(subject), message_id(body)
        stream = next(stream for stream in STREAMS if _takes(stream.subjects, subject))
        self.made.messages[message] = _message(body)
        self.made.schemas[f"{body.__name__}Message"] = _enveloped(body)
        self.made.channels[channel] = {
            "address": subject,
            "description": f"{first_line(body)} Stored in the stream `{stream.name}`.",
            "servers": [reference("servers", self.server)],
            "messages": {message: reference("components", "messages", message)},
            **_parameters(subject),
            "x-stream": _stream(stream),
        }
        for action, description in (("send", "Published from the outbox of the services."), ("receive", receive)):
            self.made.operations[f"{action}{channel[:1].upper()}{channel[1:]}"] = {
                "action": action,
                "channel": reference("channels", channel),
                "summary": description,
                "messages": [reference("channels", channel, "messages", message)],
            }


def _message(body: type[Body]) -> Object:
    return {
        "name": body.type,
        "title": body.type,
        "summary": first_line(body),
        "contentType": CONTENT_TYPE,
        "headers": {
            "type": "object",
            "required": [HEADER_MESSAGE_ID],
            "properties": {
                HEADER_MESSAGE_ID: {"type": "string", "format": "uuid", "description": "Id of the message."},
                **trace_context(),
            },
        },
        "payload": reference("components", "schemas", f"{body.__name__}Message"),
    }


def _enveloped(body: type[Body]) -> Object:
    """The envelope's schema with the body's in ``data``."""
    envelope = schemas_of(Envelope)["Envelope"]
    envelope["title"] = f"{body.__name__}Message"
    envelope["properties"] |= {
        "type": {"const": body.type, "description": TYPE},
        "version": {"type": "integer", "minimum": 1, "maximum": body.version, "description": VERSION},
        "data": reference("components", "schemas", body.__name__) | {"description": DATA},
    }
    envelope["description"] = f"Message of the type `{body.type}`. {first_line(body)}"
    return envelope


def _parameters(subject: str) -> Object:
    named = [part[1:-1] for part in subject.split(".") if part.startswith("{")]
    return {"parameters": {name: {"description": subjects.PARAMETERS[name]} for name in named}} if named else {}


def _stream(stream: StreamSpec) -> Object:
    return {"name": stream.name, "retention": stream.retention, "maxAgeSeconds": stream.max_age}


def _takes(patterns: Iterable[str], subject: str) -> bool:
    """Whether one of a stream's subjects, which may end with ``*``, is this one or takes it."""
    return any(pattern in {subject, f"{subject.rpartition('.')[0]}.*"} for pattern in patterns)

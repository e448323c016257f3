"""``GET /asyncapi.json``: the AsyncAPI 3.1 document of the sockets and, from ``contracts.asyncapi``, of the streams.

Made from the types that the sockets speak with; a test holds every frame of a real socket to it.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from heliograph_common.contracts.asyncapi import (
    Parts,
    camel,
    first_line,
    message_id,
    parts,
    reference,
    schemas_of,
    trace_context,
)
from heliograph_common.contracts.envelope import CONTENT_TYPE
from heliograph_common.contracts.messages import EVENTS, Body, Revision
from heliograph_notifier.compat.admin_events import OLD_TYPES
from heliograph_notifier.protocol.codes import CloseCode
from heliograph_notifier.protocol.frames import SOURCE, TYPE_PREFIX
from heliograph_notifier.protocol.vocabulary import (
    FROM_CLIENT,
    FROM_SERVER,
    ON_SSE,
    Closing,
    CursorText,
    FilterRequest,
)

Object = dict[str, Any]

PATH = "/asyncapi.json"
_VERSION = "3.1.0"
_SOCKETS, _STREAMS, _HTTP = "sockets", "streams", "eventSource"
_TIME: Object = {"type": "string", "format": "date-time"}
_UUID: Object = {"type": "string", "format": "uuid"}
_TEXT: Object = {"type": "string"}

_V1 = """\
Events as CloudEvents 1.0 and control frames, one JSON object a text frame; control frames have `op`. The token comes in the
`Authorization` header or in the first frame, never in the URL. Nothing is sent before `subscribe`. Delivery is at least once
and in the order of the stream: drop repeats by `id`, keep the last `cursor`, come back with it. An event may have come into
the stream after a newer one of its image: drop those whose `data.revision` is lower than one seen of the same image."""
_CLOUD_EVENTS = """\
Events as CloudEvents 1.0 in structured JSON mode, one a text frame, and nothing else. The token must come in the
`Authorization` header; the filter and the cursor come in the query. Repeats and revisions as in `heliograph.v1`."""
_SSE = """\
The same events at the same path for clients that ask for `text/event-stream`: `event` is the CloudEvent's type, `id` the
cursor, `data` the CloudEvent. Beside them `reset`, `draining` and, as the last, `closing` with a close code. Repeats and
revisions as in `heliograph.v1`."""
_ADMIN = """\
The socket of the administrators' pages of the system that Heliograph replaces, with its frames: all owners' events from
now on. The token needs the scope `admin`; it comes in the `Authorization` header or in the first frame."""


@cache
def document() -> bytes:
    """The document as JSON, the same bytes for the same code."""
    return msgspec.json.encode(_document())


def _document() -> Object:
    made = parts(_STREAMS)
    _add_events(made)
    _add_frames(made)
    _add_admin(made)
    _add_channels(made)
    return {
        "asyncapi": _VERSION,
        "info": {
            "title": "Heliograph events",
            "version": version("heliograph-notifier"),
            "description": "The sockets that clients listen on, and the messages that the services exchange.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": _servers(),
        "channels": made.channels,
        "operations": made.operations,
        "components": {
            "messages": made.messages,
            "schemas": made.schemas,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "With the scope `images:read`; `admin` for the events of all owners.",
                }
            },
        },
    }


def _servers() -> Object:
    host = {"host": {"default": "heliograph.example", "description": "Where the installation is."}}
    security = [reference("components", "securitySchemes", "bearer")]
    return {
        _SOCKETS: {
            "host": "{host}",
            "protocol": "wss",
            "variables": host,
            "security": security,
            "description": "WebSockets. Pings of the protocol keep them awake.",
        },
        _HTTP: {
            "host": "{host}",
            "protocol": "https",
            "variables": host,
            "security": security,
            "description": "Server-sent events.",
        },
        _STREAMS: {
            "host": "nats:4222",
            "protocol": "nats",
            "description": "NATS JetStream, inside the installation; clients never reach it.",
        },
    }


def _add_events(made: Parts) -> None:
    """Each event as clients see it."""
    for event in EVENTS:
        name = f"{event.__name__}CloudEvent"
        made.schemas[name] = _cloud_event(event)
        made.messages[_seen(event)] = {
            "name": TYPE_PREFIX + event.type,
            "title": TYPE_PREFIX + event.type,
            "summary": first_line(event),
            "contentType": CONTENT_TYPE,
            "payload": reference("components", "schemas", name),
        }


def _cloud_event(event: type[Body]) -> Object:
    properties = {
        "specversion": {"const": "1.0"},
        "id": {**_UUID, "description": "The same for repeats of one event."},
        "source": {"const": SOURCE},
        "type": {"const": TYPE_PREFIX + event.type},
        "time": _TIME,
        "datacontenttype": {"const": CONTENT_TYPE},
        "owner": _TEXT,
        "cursor": msgspec.json.schema(CursorText),
        "subject": {**_UUID, "description": "The image that it is about."},
        "data": reference("components", "schemas", event.__name__),
    }
    return {"type": "object", "required": list(properties), "properties": properties | trace_context()}


def _seen(event: type[Body]) -> str:
    """The id of an event's message as clients see it."""
    return f"seen{message_id(event)[:1].upper()}{message_id(event)[1:]}"


def _add_frames(made: Parts) -> None:
    """Control frames, both ways."""
    frames: tuple[type[msgspec.Struct], ...] = (*FROM_SERVER, *FROM_CLIENT, Closing)
    made.schemas |= schemas_of(*frames)
    for frame in frames:
        made.messages[frame.__name__] = {
            "name": frame.__name__,
            "title": frame.__name__,
            "summary": first_line(frame),
            "contentType": CONTENT_TYPE,
            "payload": reference("components", "schemas", frame.__name__),
        }


def _add_admin(made: Parts) -> None:
    """The frames of the old socket."""
    metadata: dict[str, Object] = {
        "image.thumbnails_ready": {"thumbnail_count": {"type": "integer"}},
        "image.variants_ready": {"variant_count": {"type": "integer"}},
        "image.ready": {"all_stages_complete": {"const": True}},
    }
    for ours, old in OLD_TYPES.items():
        properties: Object = {"type": {"const": old}, "image_id": _UUID, "timestamp": _TIME}
        if ours in metadata:
            told = {"type": "object", "required": list(metadata[ours]), "properties": metadata[ours]}
            properties |= {"status": {"const": "complete"}, "metadata": told}
        else:
            properties |= {"status": {"const": "failed"}, "error": _TEXT}
        properties["revision"] = msgspec.json.schema(Revision)
        _add_old(made, camel(old.replace(":", ".")), properties)
    established = {"type": {"const": "connection_established"}, "connection_id": _UUID, "timestamp": _TIME}
    _add_old(made, "connectionEstablished", established | {"connected_devices": {"type": "array", "maxItems": 0}})
    _add_old(made, "adminError", {"type": {"const": "error"}, "message": _TEXT})
    _add_old(made, "adminAuth", {"type": {"const": "auth"}, "token": _TEXT})


def _add_old(made: Parts, name: str, properties: Object) -> None:
    made.schemas[name] = {"type": "object", "required": list(properties), "properties": properties}
    kind = properties["type"]["const"]
    made.messages[name] = {
        "name": kind,
        "title": kind,
        "contentType": CONTENT_TYPE,
        "payload": reference("components", "schemas", name),
    }


def _add_channels(made: Parts) -> None:
    events = [_seen(event) for event in EVENTS]
    frames = [frame.__name__ for frame in FROM_SERVER]
    old = [camel(old.replace(":", ".")) for old in OLD_TYPES.values()]
    client = [frame.__name__ for frame in FROM_CLIENT]
    server = [*events, *frames]
    _add_channel(made, "heliographV1", "/v1/events", _V1, server, client, subprotocol="heliograph.v1")
    _add_channel(made, "cloudEvents", "/v1/events", _CLOUD_EVENTS, events, [], subprotocol="cloudevents.json")
    told = [frame.__name__ for frame in ON_SSE]
    _add_channel(made, "serverSentEvents", "/v1/events", _SSE, [*events, *told], [])
    server = ["connectionEstablished", *old, "adminError"]
    _add_channel(made, "adminSocket", "/api/ws/admin", _ADMIN, server, ["adminAuth"], subprotocol="")


def _add_channel(
    made: Parts,
    name: str,
    address: str,
    description: str,
    sent: list[str],
    received: list[str],
    *,
    subprotocol: str | None = None,
) -> None:
    """``subprotocol``: of a WebSocket, which may be empty; ``None``: server-sent events."""
    made.channels[name] = {
        "address": address,
        "description": description,
        "servers": [reference("servers", _HTTP if subprotocol is None else _SOCKETS)],
        "messages": {each: reference("components", "messages", each) for each in (*sent, *received)},
        "bindings": {} if subprotocol is None else {"ws": _binding(subprotocol)},
        "x-close-codes": {str(code.value): code.meaning for code in CloseCode},
    }
    for action, messages in (("send", sent), ("receive", received)):
        if messages:
            made.operations[f"{action}{name[:1].upper()}{name[1:]}"] = {
                "action": action,
                "channel": reference("channels", name),
                "messages": [reference("channels", name, "messages", each) for each in messages],
            }


def _binding(subprotocol: str) -> Object:
    cursor = {"cursor": {"type": "string", "description": "Where to go on; a cursor of an event or of `ready`."}}
    headers: Object = {"Authorization": {"type": "string", "pattern": "^Bearer .+$"}}
    if not subprotocol:
        return {"method": "GET", "headers": {"type": "object", "properties": headers}}
    return {
        "method": "GET",
        "query": {"type": "object", "properties": cursor | schemas_of(FilterRequest)["FilterRequest"]["properties"]},
        "headers": {
            "type": "object",
            "required": ["Sec-WebSocket-Protocol"],
            "properties": headers | {"Sec-WebSocket-Protocol": {"const": subprotocol}},
        },
    }

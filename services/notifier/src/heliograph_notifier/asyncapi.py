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
from heliograph_common.contracts.body import Body
from heliograph_common.contracts.envelope import CONTENT_TYPE
from heliograph_common.contracts.messages import EVENTS, Revision
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

_HAPPENED: Object = {**_TIME, "description": "When the event occurred."}
_METADATA: dict[str, Object] = {
    "image.thumbnails_ready": {"thumbnail_count": {"type": "integer", "description": "Number of thumbnails."}},
    "image.variants_ready": {"variant_count": {"type": "integer", "description": "Number of display variants."}},
    "image.ready": {"all_stages_complete": {"const": True, "description": "All stages are complete."}},
}
"""What the old frames of events carry beside the image."""

_V1 = """\
Events as CloudEvents 1.0 and control frames, one JSON object per text frame. Control frames have a member `op`. Send
the token in the `Authorization` header or in the first frame, never in the URL. No events are sent before `subscribe`.
Events are delivered at least once and in the order of the stream: ignore repeated events by their `id`, remember the
last `cursor`, and reconnect with it. An event may enter the stream after a newer one of the same image, import or word:
ignore an event whose `data.revision` is lower than one already seen for it. Events of words go to all clients, because words
belong to the whole installation; all others go to the owner and, if they ask with `all_owners`, to administrators."""
_CLOUD_EVENTS = """\
Events as CloudEvents 1.0 in structured JSON mode, one per text frame, without control frames. Send the token in the
`Authorization` header, and the filter and the cursor in the query. Events are repeated and ordered as in
`heliograph.v1`."""
_SSE = """\
The same events as server-sent events, for clients that accept `text/event-stream`. `event` is the type of the
CloudEvent, `id` the cursor, and `data` the CloudEvent. The stream also has the events `reset` and `draining` and, as
the last one, `closing` with a close code. Events are repeated and ordered as in `heliograph.v1`."""
_ADMIN = """\
Socket of the system that Heliograph replaces, with its frames, for existing administration pages. It sends new events
of all owners. The token requires the scope `admin`. Send it in the `Authorization` header or in the first frame."""


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
            "description": "Events for clients, over WebSockets and server-sent events, and the messages that "
            "services exchange.",
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
                    "description": "Token with the scope `images:read`, or `admin` for the events of all owners.",
                }
            },
        },
    }


def _servers() -> Object:
    host = {"host": {"default": "heliograph.example", "description": "Host of the installation."}}
    security = [reference("components", "securitySchemes", "bearer")]
    return {
        _SOCKETS: {
            "host": "{host}",
            "protocol": "wss",
            "variables": host,
            "security": security,
            "description": "WebSockets. The server keeps them alive with ping frames.",
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
            "description": "NATS JetStream inside the installation. Clients cannot reach it.",
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
        "specversion": {"const": "1.0", "description": "Version of CloudEvents."},
        "id": {**_UUID, "description": "Id of the event. The same if the event is repeated."},
        "source": {"const": SOURCE, "description": "Source of the event."},
        "type": {"const": TYPE_PREFIX + event.type, "description": "Type of the event."},
        "time": {**_TIME, "description": "When the event occurred."},
        "datacontenttype": {"const": CONTENT_TYPE, "description": "Media type of `data`."},
        "owner": {**_TEXT, "description": _owner(event)},
        "cursor": msgspec.json.schema(CursorText),
        "subject": {
            **(_TEXT if event.public else _UUID),
            "description": f"Id of the {_about(event)} that the event is about.",
        },
        "data": reference("components", "schemas", event.__name__) | {"description": "Content of the event."},
    }
    return {
        "description": f"CloudEvent of the type `{TYPE_PREFIX}{event.type}`. {first_line(event)}",
        "type": "object",
        "required": list(properties),
        "properties": properties | trace_context(),
    }


def _owner(event: type[Body]) -> str:
    if event.public:
        return f"Owner of the stored images of {_about(event)}s in the installation. All clients receive the event."
    return f"Owner of the {_about(event)}: the subject of their token."


def _about(event: type[Body]) -> str:
    """What an event is about, as its type begins."""
    return event.type.partition(".")[0]


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
    for ours, old in OLD_TYPES.items():
        properties: Object = {"image_id": {**_UUID, "description": "Id of the image."}, "timestamp": _HAPPENED}
        if ours in _METADATA:
            told = {"type": "object", "required": list(_METADATA[ours]), "properties": _METADATA[ours]}
            properties["status"] = {"const": "complete", "description": "State of the step."}
            properties["metadata"] = told | {"description": "Details of the step."}
        else:
            properties["status"] = {"const": "failed", "description": "State of the image."}
            properties["error"] = {**_TEXT, "description": "Reason for the failure."}
        properties["revision"] = msgspec.json.schema(Revision)
        _add_old(
            made, camel(old.replace(":", ".")), old, f"The event `{TYPE_PREFIX}{ours}` in the old format.", properties
        )
    established = {
        "connection_id": {**_UUID, "description": "Id of the connection."},
        "timestamp": _HAPPENED,
        "connected_devices": {"type": "array", "maxItems": 0, "description": "Always empty."},
    }
    greeting = "The token was accepted. Events follow."
    _add_old(made, "connectionEstablished", "connection_established", greeting, established)
    message = {"message": {**_TEXT, "description": "What is wrong with the frame."}}
    _add_old(made, "adminError", "error", "A frame of the client is not valid JSON.", message)
    token = {"token": {**_TEXT, "description": "Bearer token (JWT)."}}
    _add_old(made, "adminAuth", "auth", "Sends a token: the first one, or a new one before it expires.", token)


def _add_old(made: Parts, name: str, kind: str, summary: str, others: Object) -> None:
    """``kind`` is the frame's ``type``; ``others`` are its other members."""
    properties = {"type": {"const": kind, "description": "Type of the frame."}, **others}
    made.schemas[name] = {
        "description": summary,
        "type": "object",
        "required": list(properties),
        "properties": properties,
    }
    made.messages[name] = {
        "name": kind,
        "title": kind,
        "summary": summary,
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
        "description": " ".join(description.split()),
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
    cursor = {"cursor": {"type": "string", "description": "Cursor to resume after, from an event or from `ready`."}}
    headers: Object = {"Authorization": {"type": "string", "pattern": "^Bearer .+$", "description": "Bearer token."}}
    if not subprotocol:
        return {"method": "GET", "headers": {"type": "object", "properties": headers}}
    return {
        "method": "GET",
        "query": {"type": "object", "properties": cursor | schemas_of(FilterRequest)["FilterRequest"]["properties"]},
        "headers": {
            "type": "object",
            "required": ["Sec-WebSocket-Protocol"],
            "properties": headers
            | {"Sec-WebSocket-Protocol": {"const": subprotocol, "description": "Subprotocol of the socket."}},
        },
    }

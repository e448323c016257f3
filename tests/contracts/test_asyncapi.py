"""The AsyncAPI document is whole, and every message ever released is one of its messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contracts.asyncapi import DOCUMENT, is_valid, messages_of, told_apart

from heliograph_common.contracts.asyncapi import camel, message_id
from heliograph_common.contracts.body import Body
from heliograph_common.contracts.messages import COMMANDS, EVENTS, DeadLetter
from heliograph_common.contracts.streams import STREAMS
from heliograph_notifier.compat.admin_events import OLD_TYPES
from heliograph_notifier.protocol.codes import CloseCode
from heliograph_notifier.protocol.vocabulary import FROM_CLIENT, FROM_SERVER, ON_SSE

GOLDEN = Path(__file__).parent / "golden"
BODIES: tuple[type[Body], ...] = (*COMMANDS, *EVENTS, DeadLetter)
IN_STREAMS = {message_id(body) for body in BODIES}


@pytest.mark.parametrize("sample", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_every_released_message_is_documented(sample: Path) -> None:
    message = json.loads(sample.read_text(encoding="utf-8"))
    name = camel(message["type"])
    assert told_apart(IN_STREAMS, message) == name
    assert not is_valid(name, {**message, "id": "no uuid"})
    assert not is_valid(name, {**message, "unknown": 1})
    assert not is_valid(name, {**message, "data": {**message["data"], "unknown": 1}})


def test_every_message_is_in_a_channel_of_its_stream() -> None:
    streams = {channel["x-stream"]["name"] for channel in DOCUMENT["channels"].values() if "x-stream" in channel}
    assert streams == {stream.name for stream in STREAMS}
    told = {name for channel in DOCUMENT["channels"].values() if "x-stream" in channel for name in channel["messages"]}
    assert told == IN_STREAMS


def test_both_ways_of_every_socket_are_told() -> None:
    events = {f"seen{message_id(event)[:1].upper()}{message_id(event)[1:]}" for event in EVENTS}
    assert messages_of("sendHeliographV1") == events | {frame.__name__ for frame in FROM_SERVER}
    assert messages_of("receiveHeliographV1") == {frame.__name__ for frame in FROM_CLIENT}
    assert messages_of("sendCloudEvents") == events
    assert messages_of("sendServerSentEvents") == events | {frame.__name__ for frame in ON_SSE}
    assert len(messages_of("sendAdminSocket")) == len(OLD_TYPES) + 2


def test_every_close_code_says_what_to_do() -> None:
    for name in ("heliographV1", "cloudEvents", "serverSentEvents", "adminSocket"):
        assert DOCUMENT["channels"][name]["x-close-codes"] == {str(int(code)): code.meaning for code in CloseCode}


def test_all_references_lead_somewhere() -> None:
    def references(node: Any) -> Iterator[str]:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            if key == "$ref":
                yield value
            else:
                yield from references(value)

    for reference in set(references(DOCUMENT)):
        found: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    for operation in DOCUMENT["operations"].values():
        prefix = operation["channel"]["$ref"] + "/messages/"
        assert all(message["$ref"].startswith(prefix) for message in operation["messages"])


def test_the_same_code_makes_the_same_bytes() -> None:
    program = "from heliograph_notifier.asyncapi import document; print(document().decode())"
    environment = os.environ | {"PYTHONHASHSEED": "4"}
    other = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert json.dumps(json.loads(other.stdout)) == json.dumps(DOCUMENT)

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.notifier.support import EPOCH, event, message, word_event
from websockets.frames import Frame, Opcode

from heliograph_common.bus.ordered import StreamedMessage
from heliograph_common.clock import utc_now
from heliograph_common.contracts.envelope import decode
from heliograph_common.errors import MalformedMessage
from heliograph_notifier.protocol.frames import encode_event, sse_block, sse_heartbeat, text_frame


@given(st.one_of(st.binary(max_size=300), st.sampled_from([0, 125, 126, 127, 65535, 65536, 70000]).map(bytes)))
def test_a_frame_is_what_websockets_would_make(payload: bytes) -> None:
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_the_cloud_event_says_what_the_message_said() -> None:
    streamed = message(42, "ann", traceparent="00-aa-bb-01", tracestate="x=1")
    envelope = decode(streamed.payload)
    made = encode_event(streamed, EPOCH)
    told = msgspec.json.decode(made.frame[4:])
    assert told == {
        "specversion": "1.0",
        "id": str(envelope.id),
        "source": "/heliograph",
        "type": "dev.heliograph.image.ready",
        "time": told["time"],
        "datacontenttype": "application/json",
        "owner": "ann",
        "cursor": f"{EPOCH}.42",
        "subject": envelope.data["image_id"],
        "traceparent": "00-aa-bb-01",
        "tracestate": "x=1",
        "data": envelope.data,
    }
    assert (made.seq, made.owner, made.type, made.subject) == (42, "ann", "image.ready", envelope.data["image_id"])
    assert made.accepted_at is not None


def test_an_event_of_a_word_is_about_the_word_and_public() -> None:
    made = word_event(7)
    assert (made.subject, made.public) == ("Gull-1", True)
    assert msgspec.json.decode(made.payload)["subject"] == "Gull-1"
    assert not event(8).public


@given(st.text(max_size=50))
def test_no_name_breaks_out_of_an_sse_block(name: str) -> None:
    made = event(7, name=name)
    identity, kind, data, *end = made.sse.decode().split("\n")
    assert (identity, kind, end) == (f"id: {EPOCH}.7", "event: dev.heliograph.image.ready", ["", ""])
    assert msgspec.json.decode(data.removeprefix("data: "))["data"]["name"] == name
    assert "\r" not in made.sse.decode()


def test_blocks_without_a_cursor_have_no_id() -> None:
    assert sse_block(b"{}", event="closing") == b"event: closing\ndata: {}\n\n"
    assert b"id:" not in sse_heartbeat("")
    assert b"\nid: 5f.1\n" in sse_heartbeat("5f.1")


@pytest.mark.parametrize("payload", [b"", b"{}", b"null", b'{"id": 5}'])
def test_what_is_no_envelope_is_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedMessage):
        encode_event(StreamedMessage(1, "events.image.ready", {}, payload, utc_now(), 0), EPOCH)

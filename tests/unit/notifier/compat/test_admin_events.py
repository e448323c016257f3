"""The old frames, without a network."""

from __future__ import annotations

import msgspec
from tests.unit.notifier.support import EPOCH, message

from heliograph_notifier.compat.admin_events import OLD_TYPES, admin_event
from heliograph_notifier.compat.admin_socket import admin_frame
from heliograph_notifier.protocol.frames import encode_event


def test_a_frame_is_made_once_and_shared() -> None:
    event = encode_event(message(7), EPOCH)
    frame = event.form(admin_frame)
    told = msgspec.json.decode(frame[2 if frame[1] < 126 else 4 :])

    assert event.form(admin_frame) is frame
    assert (told["type"], told["image_id"]) == ("image:processing:complete", event.subject)
    assert told["timestamp"] == msgspec.json.decode(event.frame[4:])["time"]


def test_an_event_that_lacks_what_it_should_have_breaks_nothing() -> None:
    for event_type in OLD_TYPES:
        assert msgspec.json.decode(admin_event(event_type, "2026-11-20T09:30:00.000Z", {}))["image_id"] is None

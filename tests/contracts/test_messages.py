"""Golden samples: what any released version wrote can still be read, and what is written now is what was released.

A sample is never edited. A new message type or version adds a file, and so does a new field (``<type>.v<version>+<field>``):
``python -m tests.contracts.make_samples``.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from tests.contracts.make_samples import unsampled

from heliograph_common.contracts.body import Body
from heliograph_common.contracts.envelope import body_of, decode, encode, envelope
from heliograph_common.contracts.messages import COMMANDS, EVENTS, DeadLetter, ImageEvent, RenderImage, Stages, progress
from heliograph_common.errors import MalformedMessage
from heliograph_common.ids import new_id

GOLDEN = Path(__file__).parent / "golden"
BODIES: tuple[type[Body], ...] = (*COMMANDS, *EVENTS, DeadLetter)
BY_TYPE = {body.type: body for body in BODIES}


@pytest.mark.parametrize("sample", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_every_released_version_can_be_read(sample: Path) -> None:
    message = decode(sample.read_bytes())
    body = body_of(message, BY_TYPE[message.type])
    assert sample.stem.partition("+")[0] == f"{message.type}.v{message.version}"
    written = msgspec.json.decode(msgspec.json.encode(body))
    assert {key: written[key] for key in message.data} == message.data  # nothing that was said got lost or changed


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.type)
def test_every_version_has_a_sample(body: type[Body]) -> None:
    missing = [v for v in range(1, body.version + 1) if not (GOLDEN / f"{body.type}.v{v}.json").exists()]
    assert not missing, "run: make generate"


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.type)
def test_every_field_is_in_a_sample(body: type[Body]) -> None:
    assert not unsampled(body), "run: make generate"


@pytest.mark.parametrize(
    "body", [body for body in EVENTS if (GOLDEN / f"{body.type}.v1+revision.json").exists()], ids=lambda body: body.type
)
def test_an_event_of_before_revisions_has_none(body: type[ImageEvent]) -> None:
    old = decode((GOLDEN / f"{body.type}.v1.json").read_bytes())
    new = decode((GOLDEN / f"{body.type}.v1+revision.json").read_bytes())
    assert "revision" not in old.data
    assert body_of(old, body).revision == 0
    assert body_of(new, body).revision == new.data["revision"] > 0


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.type)
def test_a_field_is_only_ever_added(body: type[Body]) -> None:
    released = json.loads((GOLDEN / f"{body.type}.v{body.version}.json").read_text(encoding="utf-8"))
    optional = {f.name for f in msgspec.structs.fields(body) if f.default is not msgspec.NODEFAULT}
    fields = {f.name for f in msgspec.structs.fields(body)}
    assert fields - set(released["data"]) <= optional, "a new field needs a default, or the version must rise"
    assert set(released["data"]) <= fields, "a released field was removed"


def test_unknown_fields_are_ignored() -> None:
    message = json.loads(encode(envelope(RenderImage(image_id=new_id()), owner="ann")))
    message["later"] = 1
    message["data"]["later"] = {"x": 1}
    assert body_of(decode(json.dumps(message).encode()), RenderImage).image_id


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"id": 1}', b"\xff"])
def test_what_is_no_envelope_is_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode(payload)


def test_a_newer_version_is_refused_with_the_remedy() -> None:
    message = json.loads(encode(envelope(RenderImage(image_id=new_id()), owner="ann")))
    message["version"] = 2
    with pytest.raises(MalformedMessage, match="deploy"):
        body_of(decode(json.dumps(message).encode()), RenderImage)


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (Stages(stored="pending"), 0),
        (Stages(), 20),
        (Stages(thumbnails="complete", variants="processing"), 60),
        (Stages(thumbnails="complete", variants="complete"), 100),
        (Stages(thumbnails="complete", variants="complete", analysis="pending"), 80),
    ],
)
def test_progress(stages: Stages, expected: int) -> None:
    assert progress(stages) == expected

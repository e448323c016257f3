"""Judges a run: the client's history against what the servers hold. Pure, so that a test can show each check failing
(``tests/unit/chaos/test_checker.py``).

Sizes are computed here anew and not with the thumbnailer's code: a rule that is wrong there shall not be right here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tests.chaos.bills import SIZE, analyses_wrong
from tests.chaos.evidence import Evidence, Found, ImageRow, RenditionRow, Size
from tests.chaos.history import History, Picture
from tests.chaos.order import out_of_order

Kind = Literal["lost", "duplicated", "wrong", "disordered"]

COMPLETE_EVENTS = ("image.stored", "image.thumbnails_ready", "image.variants_ready", "image.ready")
_WANTED = {"complete": COMPLETE_EVENTS, "failed": ("image.stored", "image.failed")}
_COLOUR_TOLERANCE = 8.0


@dataclass(frozen=True)
class Finding:
    """One thing that is not as promised: ``lost`` (accepted and not there), ``duplicated`` (there more often than once, or
    without anyone having asked for it), ``wrong`` (there, but not what it should be) or ``disordered`` (told of in an order
    that cannot be)."""

    kind: Kind
    subject: str
    what: str


def judge(history: History, evidence: Evidence) -> list[Finding]:
    """Everything that is not as promised, in the order of the checks; empty when all is well."""
    return [
        *_answers(history),
        *_rows(history, evidence),
        *_states(history, evidence),
        *_renditions(history, evidence),
        *_objects(history, evidence),
        *_events(history, evidence),
        *(Finding("disordered", *found) for found in out_of_order(history, evidence)),
        *_socket(history, evidence),
        *_leftovers(history, evidence),
        *(Finding(*found) for found in analyses_wrong(history, evidence)),
        *_api(evidence),
    ]


def expected_pixels(width: int, height: int, size: Size) -> tuple[int, int]:
    """Pixels of a rendition of a ``width`` x ``height`` picture, rounding aside. ``contain`` shrinks it into the box;
    ``cover`` fills the box exactly, or is the largest cut of its aspect where the picture is smaller."""
    if size.fit == "contain":
        shrink = min(1.0, size.width / width, size.height / height)
        return round(width * shrink), round(height * shrink)
    if width >= size.width and height >= size.height:
        return size.width, size.height
    return round(min(width, height * size.width / size.height)), round(min(height, width * size.height / size.width))


def _answers(history: History) -> Iterator[Finding]:
    for sha256, picture in history.sent.items():
        ids, living = set(history.accepted.get(sha256, ())), set(history.living(sha256))
        if len(living) > 1:
            yield Finding("duplicated", picture.name, f"accepted as {len(living)} images: {', '.join(sorted(living))}")
        refusal = history.refused.get(sha256)
        if refusal is not None and ids:
            yield Finding("wrong", picture.name, f"both accepted and refused ({refusal.status})")
        if refusal is not None and not picture.may_fail:
            yield Finding("lost", picture.name, f"a good picture was refused: {refusal.status} {refusal.problem}")
        if refusal is not None and not refusal.problem:
            yield Finding("wrong", picture.name, f"refused with {refusal.status} and no problem document")
        if refusal is None and not ids:
            yield Finding("lost", picture.name, "never answered")


def _rows(history: History, evidence: Evidence) -> Iterator[Finding]:
    rows: dict[str, list[ImageRow]] = defaultdict(list)
    for row in evidence.images:
        rows[row.sha256].append(row)
    for sha256 in history.accepted:
        found, name, ids = rows.pop(sha256, []), history.sent[sha256].name, history.living(sha256)
        if not ids:
            if found:
                yield Finding("wrong", name, f"deleted, and there is a row {found[0].id}")
        elif not found:
            yield Finding("lost", name, "no image row")
        elif len(found) > 1:
            yield Finding("duplicated", name, f"{len(found)} image rows")
        elif found[0].id != ids[0]:
            yield Finding("wrong", name, f"accepted as {ids[0]}, kept as {found[0].id}")
    for sha256, found in rows.items():
        yield Finding("duplicated", sha256[:12], f"{len(found)} image rows that nobody was told of")


def _states(history: History, evidence: Evidence) -> Iterator[Finding]:
    for row in evidence.images:
        picture = history.sent.get(row.sha256)
        if picture is None:
            continue
        stages = (row.processing, row.thumbnails, row.variants)
        if row.processing == "complete":
            if stages != ("complete",) * 3:
                yield Finding("wrong", picture.name, f"complete, with stages {stages}")
            if picture.must_fail:
                yield Finding("wrong", picture.name, "complete, though it is broken")
            if row.bytes != len(picture.data):
                yield Finding("wrong", picture.name, f"row says {row.bytes} bytes, sent were {len(picture.data)}")
        elif row.processing == "failed":
            if not picture.may_fail:
                yield Finding("lost", picture.name, f"a good picture failed: {row.error}")
            if not row.error:
                yield Finding("wrong", picture.name, "failed without a reason")
        else:
            yield Finding("lost", picture.name, f"still {row.processing} (stages {stages}, fence {row.fence})")


def _renditions(history: History, evidence: Evidence) -> Iterator[Finding]:
    shown, plain = {row.image_id for row in evidence.analyses}, {size.name: size for size in evidence.sizes}
    rows: dict[str, dict[str, RenditionRow]] = defaultdict(dict)
    for row in evidence.renditions:
        rows[row.image_id][row.name] = row
    for image in evidence.images:
        picture = history.sent.get(image.sha256)
        if picture is None:
            continue
        own = rows.get(image.id, {})
        sizes = plain | {SIZE.name: SIZE} if image.id in shown else plain
        if image.processing == "complete":
            for missing in sorted(sizes.keys() - own.keys()):
                yield Finding("lost", picture.name, f"no rendition {missing}")
        for name, row in own.items():
            if name not in sizes:
                yield Finding("duplicated", picture.name, f"a rendition {name} that is not configured")
            else:
                yield from _one_rendition(picture, row, sizes[name], evidence)


def _one_rendition(picture: Picture, row: RenditionRow, size: Size, evidence: Evidence) -> Iterator[Finding]:
    label = f"{picture.name} {row.name}"
    found = evidence.objects.get(row.key)
    if found is None:
        yield Finding("lost", label, f"no object {row.key}")
        return
    if found.fault:
        yield Finding("wrong", label, f"no picture: {found.fault}")
        return
    if (found.bytes, found.width, found.height, found.format) != (row.bytes, row.width, row.height, row.format):
        yield Finding("wrong", label, f"row {row} does not describe {found}")
    if evidence.downloaded.get(row.key, found.sha256) != found.sha256:
        yield Finding("wrong", label, "the API gave other bytes")
    if picture.colour is not None:
        yield from _looks(label, picture, found, size)


def _looks(label: str, picture: Picture, found: Found, size: Size) -> Iterator[Finding]:
    wanted = expected_pixels(picture.width, picture.height, size)
    if max(abs(found.width - wanted[0]), abs(found.height - wanted[1])) > 1:
        yield Finding("wrong", label, f"{found.width}x{found.height} pixels, not {wanted[0]}x{wanted[1]}")
    assert picture.colour is not None
    distance = max(abs(a - b) for a, b in zip(found.colour, picture.colour, strict=True))
    if distance > _COLOUR_TOLERANCE:
        yield Finding("wrong", label, f"shows another picture: colour {found.colour}, not {picture.colour}")


def _objects(history: History, evidence: Evidence) -> Iterator[Finding]:
    originals = {image.original for image in evidence.images}
    expected = originals | {row.key for row in evidence.renditions}
    collectable = {sha256 for sha256, ids in history.accepted.items() if history.deleted.intersection(ids)}
    for image in evidence.images:
        if image.original not in evidence.objects:
            picture = history.sent.get(image.sha256)
            yield Finding("lost", picture.name if picture else image.id, "its original is not in the object store")
    for key in sorted(evidence.objects.keys() - expected):
        if _content(key) not in collectable:  # what was deleted keeps its objects for a while
            yield Finding("duplicated", key, "an object that no row names")
    for key, found in evidence.objects.items():
        if key.startswith("originals/") and _content(key) != found.sha256:
            yield Finding("wrong", key, f"the original's bytes hash to {found.sha256}")


def _content(key: str) -> str:
    """The hash of the original that an object's key names."""
    return key.split("/")[1].partition(".")[0]


def _events(history: History, evidence: Evidence) -> Iterator[Finding]:
    """What the socket told, repeats dropped by id: a second event of a kind is a second effect."""
    counts: Counter[tuple[str, str]] = Counter((event.subject, event.type) for event in history.first_events())
    excused = history.excused
    for image in evidence.images:
        picture = history.sent.get(image.sha256)
        name = picture.name if picture else image.id
        for kind in _WANTED.get(image.processing, ("image.stored",)):
            if counts[image.id, kind] == 0 and image.id not in excused:
                yield Finding("lost", name, f"{kind} was never told")
        if image.id in history.harmed:
            continue
        for kind in (*COMPLETE_EVENTS, "image.failed"):
            if counts[image.id, kind] > 1 + history.retried[image.id]:
                yield Finding("duplicated", name, f"{kind} was told {counts[image.id, kind]} times under new ids")
        contrary = "image.failed" if image.processing == "complete" else "image.ready"
        if counts[image.id, contrary] > history.retried[image.id]:
            yield Finding("wrong", name, f"{contrary} was told of an image that is {image.processing}")
    yield from _events_of_deleted(history, counts)
    known = {image.id for image in evidence.images} | history.deleted
    for subject in sorted({subject for subject, kind in counts if kind.startswith("image.")} - known):
        yield Finding("duplicated", subject, "events of an image that is not there")


def _events_of_deleted(history: History, counts: Counter[tuple[str, str]]) -> Iterator[Finding]:
    for image_id in sorted(history.deleted):
        for kind in ("image.stored", "image.deleted"):
            if (told := counts[image_id, kind]) != 1:
                yield Finding("duplicated" if told else "lost", image_id, f"deleted, and {kind} was told {told} times")


def _socket(history: History, evidence: Evidence) -> Iterator[Finding]:
    told, stored = {event.id for event in history.events}, {message.id for message in evidence.events}
    by_library = Counter(history.told_by_client_library)
    names = {message.id: f"{message.type} of {message.image_id}" for message in evidence.events}
    excused = history.excused
    late = {message.id for message in evidence.events if message.image_id not in excused}
    for missing in sorted((stored - told) & late):
        yield Finding("lost", names[missing], "is in the stream and was not told on the socket")
    if not evidence.events_dropped and not history.expected_resets:
        for extra in sorted(told - stored - history.erased):
            yield Finding("lost", extra, "was told on the socket and is not in the stream")
    for missing in sorted((stored - by_library.keys() - _superseded(history, by_library)) & late):
        yield Finding("lost", names[missing], "was not given out by the client library")
    for repeated in (each for each, count in by_library.items() if count > 1):
        yield Finding("duplicated", repeated, "was given out twice by the client library")
    for reason in history.resets:
        if reason.split()[0] not in history.expected_resets:
            yield Finding("lost", "socket", f"reset: {reason}")


def _superseded(history: History, by_library: Counter[str]) -> set[str]:
    """Events that the client library was right not to give out: those of an image of which it gave out a later revision."""
    newest: dict[str, int] = defaultdict(int)
    for event in history.events:
        if event.id in by_library:
            newest[event.subject] = max(newest[event.subject], event.revision)
    return {event.id for event in history.events if 0 < event.revision < newest[event.subject]}


def _leftovers(history: History, evidence: Evidence) -> Iterator[Finding]:
    for count, what in (
        (evidence.work_waiting, "messages are left in WORK"),
        (evidence.work_unacked, "deliveries are not acknowledged"),
        (evidence.outbox, "rows are left in the outbox"),
        (evidence.work_rows, "rows of work are left"),
    ):
        if count:
            yield Finding("wrong", "queue", f"{count} {what}")
    failed = Counter(image.id for image in evidence.images if image.processing == "failed")
    dead = Counter(set(evidence.dead_images) - history.deleted)
    for image_id in sorted((dead - failed).keys() - history.retried.keys()):
        yield Finding("wrong", image_id, "a dead letter of an image that did not fail")
    for image_id in sorted((failed - dead).elements()):
        yield Finding("lost", image_id, "failed, and there is no dead letter")


def _api(evidence: Evidence) -> Iterator[Finding]:
    rows: dict[str, set[tuple[str, int, int, int]]] = defaultdict(set)
    for row in evidence.renditions:
        rows[row.image_id].add((row.name, row.width, row.height, row.bytes))
    listed = Counter(each.id for each in evidence.listed)
    by_id = {each.id: each for each in evidence.listed}
    for image_id, count in listed.items():
        if count > 1:
            yield Finding("duplicated", image_id, f"listed {count} times by the API")
    for image in evidence.images:
        shown = by_id.pop(image.id, None)
        if shown is None:
            yield Finding("lost", image.id, "not listed by the API")
        elif (shown.sha256, shown.status, set(shown.renditions)) != (image.sha256, image.processing, rows[image.id]):
            yield Finding("wrong", image.id, f"the API shows {shown.status} and {len(shown.renditions)} renditions")
    for image_id in by_id:
        yield Finding("duplicated", image_id, "listed by the API, and there is no row")

"""Each check of the fault tests' checker can fail: a sound run is spoilt in one way at a time."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from tests.chaos.bills import ANALYZED, SIZE
from tests.chaos.checker import COMPLETE_EVENTS, expected_pixels, judge
from tests.chaos.evidence import (
    AnalysisRow,
    Bill,
    CallRow,
    Charge,
    Evidence,
    ImageRow,
    Listed,
    Message,
    RenditionRow,
    Size,
)
from tests.chaos.history import Answer, History, Observed, Picture
from tests.chaos.pictures import inspect, named, picture

SIZES = [Size("150", 150, 150, "contain"), Size("1080x1920", 1080, 1920, "cover")]
GOOD, BROKEN, REFUSED = 0, 1, 2
ANSWERED = 1


class Run:
    """A run in which all went well: a good picture is complete, a broken one failed, a third was refused."""

    def __init__(self) -> None:
        rng = random.Random(1)
        self.good = picture(0, rng, width=160, height=120)
        self.broken = named("broken.jpg", b"broken", may_fail=True, must_fail=True)
        self.refused = named("refused.jpg", b"refused", may_fail=True, must_fail=True)
        self.history, self.evidence = History(), Evidence(sizes=SIZES)
        for each in (self.good, self.broken, self.refused):
            self.history.sent[each.sha256] = each
        self.history.refused[self.refused.sha256] = Answer(self.refused.sha256, 0, 0, 422, problem="/problems/bad")
        self._image("good", self.good, "complete", COMPLETE_EVENTS)
        self._image("broken", self.broken, "failed", ("image.stored", "image.failed"))
        self.evidence.dead_images = ["broken"]
        for size in SIZES:
            self._rendition(rng, size)
        self._rendition(rng, SIZE)
        listed = frozenset((row.name, row.width, row.height, row.bytes) for row in self.evidence.renditions)
        self.evidence.listed = [
            Listed("good", self.good.sha256, "complete", listed),
            Listed("broken", self.broken.sha256, "failed", frozenset()),
        ]
        self._analyze()

    def _analyze(self) -> None:
        """The good picture has been analyzed; a first call was in flight when its analyzer was killed."""
        self.history.analyses.add("good")
        self.history.killed.append((100.2, "analyzer-1"))
        self.evidence.analyses.append(AnalysisRow("analysis", "good", "local", "completed", "{}", "api", 1, None, None))
        self.evidence.analyzed.append(("analysis", "{}"))
        self.evidence.answered["analysis"] = ("completed", "{}")
        self.tell("good image.analyzed", "image.analyzed", "good")
        lost = CallRow("pixels", "local", None, 3_000, 0, 100.0, None)
        answered = CallRow("pixels", "local", "answered", 1_000, 1_000, 105.0, 105.3)
        shown = self.evidence.objects[self.evidence.renditions[-1].key].sha256
        self.evidence.bill = Bill(
            [lost, answered], {"": 4_000, "local": 4_000}, 1, 0, [Charge(shown, 1_000, True)], {shown: "pixels"}
        )

    @property
    def bill(self) -> Bill:
        """What the analysis cost."""
        return self.evidence.bill

    def analysis(self, **changes: object) -> None:
        self.evidence.analyses[0] = replace(self.evidence.analyses[0], **changes)  # type: ignore[arg-type]

    def charge(self, times: int) -> None:
        """The model charges the call so often more."""
        self.bill.charges += [self.bill.charges[0]] * times

    def _image(self, name: str, shown: Picture, state: str, events: tuple[str, ...]) -> None:
        self.history.accept(shown, name, 0.0)
        error = None if state == "complete" else "it is damaged"
        row = ImageRow(name, shown.sha256, state, state, state, error, 0, 1, 160, 120, len(shown.data))
        self.evidence.images.append(row)
        self.evidence.objects[f"originals/{shown.sha256}"] = inspect(shown.data)
        for kind in events:
            self.tell(f"{name} {kind}", kind, name)

    def _rendition(self, rng: random.Random, size: Size) -> None:
        width, height = expected_pixels(160, 120, size)
        found = inspect(picture(0, rng, width=width, height=height).data)
        key = f"renditions/{self.good.sha256}/1/{size.name}"
        self.evidence.objects[key] = found
        self.evidence.renditions.append(RenditionRow("good", size.name, width, height, "jpeg", found.bytes, key))

    def tell(self, event_id: str, kind: str, image: str, revision: int = 0) -> None:
        self.history.events.append(Observed(event_id, kind, image, "", 0.0, revision))
        self.history.told_by_client_library.append(event_id)
        self.evidence.events.append(Message(event_id, kind, image))

    @property
    def key(self) -> str:
        """Of a rendition of the good picture."""
        return self.evidence.renditions[0].key

    def image(self, index: int, **changes: object) -> None:
        self.evidence.images[index] = replace(self.evidence.images[index], **changes)  # type: ignore[arg-type]

    def rendition(self, **changes: object) -> None:
        self.evidence.renditions[0] = replace(self.evidence.renditions[0], **changes)  # type: ignore[arg-type]

    def object(self, **changes: object) -> None:
        self.evidence.objects[self.key] = replace(self.evidence.objects[self.key], **changes)  # type: ignore[arg-type]

    def resize(self, width: int, height: int) -> None:
        self.object(width=width, height=height)
        self.rendition(width=width, height=height)

    def retell(self, image: str, *told: tuple[str, int]) -> None:
        """The events of the image's render are these, with their revisions, and no others."""
        for event in [each for each in self.history.events if each.subject == image and each.type != ANALYZED]:
            self.history.events.remove(event)
            self.history.told_by_client_library.remove(event.id)
        kept = [each for each in self.evidence.events if each.image_id != image or each.type == ANALYZED]
        self.evidence.events = kept
        for number, (kind, revision) in enumerate(told):
            self.tell(f"{image} {kind} {number}", kind, image, revision)

    def retry(self) -> None:
        """The good picture failed first, and was retried."""
        self.history.retried["good"] = 1
        self.evidence.dead_images.append("good")
        kinds = ("image.stored", "image.failed", "image.retried", *COMPLETE_EVENTS[1:])
        self.retell("good", *((kind, number) for number, kind in enumerate(kinds, 1)))

    def delete(self) -> None:
        """The good picture was deleted when it was complete; its objects are still there."""
        self.history.analyses.clear()
        self.evidence.analyses.clear()
        self.evidence.analyzed.clear()
        self.evidence.bill = Bill()
        self.history.deleted.add("good")
        self.evidence.images.pop(GOOD)
        self.evidence.renditions.clear()
        self.evidence.listed.pop(0)
        self.tell("good image.deleted", "image.deleted", "good")

    def unsay(self, event_id: str) -> None:
        self.history.events = [event for event in self.history.events if event.id != event_id]


def test_sound_run_has_no_findings() -> None:
    run = Run()
    assert judge(run.history, run.evidence) == []


def test_events_repeated_under_their_id_are_no_second_effect() -> None:
    run = Run()
    run.history.events += run.history.events
    assert judge(run.history, run.evidence) == []


def test_an_old_event_that_comes_late_is_dropped_by_its_revision() -> None:
    run = Run()
    late = ("image.ready", 4), ("image.variants_ready", 3), ("image.stored", 1), ("image.thumbnails_ready", 2)
    run.retell("good", *late)
    assert judge(run.history, run.evidence) == []


def test_the_client_library_may_leave_out_what_a_later_revision_superseded() -> None:
    run = Run()
    kinds = [(kind, number) for number, kind in enumerate(COMPLETE_EVENTS, 1)]
    run.retell("good", kinds[1], kinds[0], *kinds[2:])
    run.history.told_by_client_library.remove("good image.stored 1")
    assert judge(run.history, run.evidence) == []


def test_retried_picture_may_have_failed_before() -> None:
    run = Run()
    run.retry()
    assert judge(run.history, run.evidence) == []


def test_deleted_picture_has_no_row_and_may_have_objects() -> None:
    run = Run()
    run.delete()
    assert judge(run.history, run.evidence) == []


def test_picture_that_the_test_damaged_is_told_of_again() -> None:
    run = Run()
    run.history.harmed.add("good")
    run.tell("again", "image.thumbnails_ready", "good")
    run.tell("again ready", "image.ready", "good")
    assert judge(run.history, run.evidence) == []


def test_original_of_a_later_incarnation_has_another_key() -> None:
    run = Run()
    key = f"originals/{run.good.sha256}"
    run.image(GOOD, incarnation=2)
    run.evidence.objects[f"{key}.2"] = run.evidence.objects.pop(key)
    assert judge(run.history, run.evidence) == []


def _late(run: Run, event_id: str) -> None:
    """The event comes last."""
    run.history.events.sort(key=lambda event: event.id == event_id)


def _after(run: Run, step: Callable[[], None], kind: str) -> None:
    """After ``step`` the good picture is told of once more."""
    step()
    run.tell("n", kind, "good")


def _delete_untold(run: Run) -> None:
    run.delete()
    run.unsay("good image.deleted")


def test_events_that_a_full_stream_dropped_are_not_missing() -> None:
    run = Run()
    run.evidence.events.pop(0)
    run.evidence.events_dropped = 1
    assert judge(run.history, run.evidence) == []


def test_an_expected_reset_excuses_what_was_accepted_before_it_and_nothing_later() -> None:
    run = Run()
    run.history.expected_resets = frozenset({"other_epoch"})
    run.unsay("good image.ready")
    run.history.reset("other_epoch", 1.0)
    assert judge(run.history, run.evidence) == []
    run.history.accepted_at[run.good.sha256] = 2.0
    assert any("image.ready was never told" in finding.what for finding in judge(run.history, run.evidence))


Spoil = Callable[[Run], object]

SPOILT: dict[str, tuple[Spoil, str, str]] = {
    # answers
    "two ids": (lambda run: run.history.accept(run.good, "other", 1.0), "duplicated", "accepted as 2 images"),
    "never answered": (lambda run: run.history.refused.clear(), "lost", "never answered"),
    "good refused": (
        lambda run: run.history.refused.update({run.good.sha256: Answer("", 0, 0, 422, problem="/problems/x")}),
        "lost",
        "a good picture was refused",
    ),
    "accepted and refused": (
        lambda run: run.history.accept(run.refused, "good", 0.0),
        "wrong",
        "both accepted and refused",
    ),
    "refused without reason": (
        lambda run: run.history.refused.update({run.refused.sha256: Answer("", 0, 0, 500)}),
        "wrong",
        "no problem document",
    ),
    # rows
    "row deleted": (lambda run: run.evidence.images.pop(GOOD), "lost", "no image row"),
    "row twice": (lambda run: run.evidence.images.append(run.evidence.images[GOOD]), "duplicated", "2 image rows"),
    "other id": (lambda run: run.history.accepted.update({run.good.sha256: ["x"]}), "wrong", "accepted as x"),
    "row of nobody": (
        lambda run: run.evidence.images.append(replace(run.evidence.images[GOOD], id="x", sha256="y")),
        "duplicated",
        "nobody was told of",
    ),
    # states
    "stuck": (lambda run: run.image(GOOD, processing="processing"), "lost", "still processing"),
    "good failed": (lambda run: run.image(GOOD, processing="failed", error="x"), "lost", "a good picture failed"),
    "no reason": (lambda run: run.image(BROKEN, error=None), "wrong", "failed without a reason"),
    "broken complete": (lambda run: run.image(BROKEN, processing="complete"), "wrong", "complete, though it is broken"),
    "stage behind": (lambda run: run.image(GOOD, variants="pending"), "wrong", "complete, with stages"),
    "row bytes": (lambda run: run.image(GOOD, bytes=1), "wrong", "row says 1 bytes"),
    # renditions and objects
    "rendition row deleted": (lambda run: run.evidence.renditions.pop(0), "lost", "no rendition 150"),
    "unknown rendition": (lambda run: run.rendition(name="9"), "duplicated", "not configured"),
    "object deleted": (lambda run: run.evidence.objects.pop(run.key), "lost", "no object"),
    "object damaged": (lambda run: run.object(fault="premature end"), "wrong", "no picture"),
    "object of other size": (lambda run: run.object(bytes=1), "wrong", "does not describe"),
    "row of other size": (lambda run: run.rendition(bytes=1), "wrong", "does not describe"),
    "wrong pixels": (
        lambda run: run.resize(99, 99),
        "wrong",
        "99x99 pixels, not 150x112",
    ),
    "another picture": (lambda run: run.object(colour=(200.0, 0.0, 0.0)), "wrong", "shows another picture"),
    "other bytes by the API": (lambda run: run.evidence.downloaded.update({run.key: "x"}), "wrong", "other bytes"),
    "orphan": (
        lambda run: run.evidence.objects.update({"renditions/x": inspect(b"")}),
        "duplicated",
        "an object that no row names",
    ),
    "original deleted": (
        lambda run: run.evidence.objects.pop(f"originals/{run.good.sha256}"),
        "lost",
        "its original is not in the object store",
    ),
    "original changed": (
        lambda run: run.evidence.objects.update({f"originals/{run.good.sha256}": inspect(b"other")}),
        "wrong",
        "the original's bytes hash to",
    ),
    # events
    **{
        f"{kind} untold": (partial(Run.unsay, event_id=f"good {kind}"), "lost", f"{kind} was never")
        for kind in COMPLETE_EVENTS
    },
    **{
        f"{kind} twice": (
            partial(Run.tell, event_id="n", kind=kind, image="good"),
            "duplicated",
            f"{kind} was told 2 times",
        )
        for kind in COMPLETE_EVENTS
    },
    "failure untold": (lambda run: run.unsay("broken image.failed"), "lost", "image.failed was never told"),
    "failure of a complete one": (lambda run: run.tell("n", "image.failed", "good"), "wrong", "that is complete"),
    "ready of a failed one": (lambda run: run.tell("n", "image.ready", "broken"), "wrong", "that is failed"),
    "event of nobody": (lambda run: run.tell("n", "image.ready", "x"), "duplicated", "events of an image that is not"),
    "gap on the socket": (
        lambda run: run.evidence.events.append(Message("n", "image.retried", "good")),
        "lost",
        "was not told on the socket",
    ),
    "gone from the stream": (lambda run: run.evidence.events.pop(), "lost", "is not in the stream"),
    "gap in the library": (
        lambda run: run.history.told_by_client_library.pop(),
        "lost",
        "not given out by the client library",
    ),
    "repeat by the library": (
        lambda run: run.history.told_by_client_library.append("good image.ready"),
        "duplicated",
        "given out twice",
    ),
    # order
    **{
        f"{kind} too late": (partial(_late, event_id=f"good {kind}"), "disordered", f"{kind} after")
        for kind in COMPLETE_EVENTS[:-1]
    },
    "last one does not agree": (
        lambda run: run.retell("good", ("image.stored", 1), ("image.ready", 4), ("image.variants_ready", 5)),
        "disordered",
        "the last event is image.variants_ready, and not image.ready",
    ),
    "late under a newer revision": (
        lambda run: run.retell("good", ("image.ready", 4), ("image.variants_ready", 4)),
        "disordered",
        "image.variants_ready after image.ready",
    ),
    "failed after its end": (
        lambda run: run.tell("n", "image.failed", "good"),
        "disordered",
        "failed after image.ready",
    ),
    "goes on after it failed": (
        lambda run: run.tell("n", "image.variants_ready", "broken"),
        "disordered",
        "image.variants_ready after image.failed",
    ),
    "told after its deletion": (
        lambda run: _after(run, run.delete, "image.variants_ready"),
        "disordered",
        "image.variants_ready after image.deleted",
    ),
    "deletion untold": (
        _delete_untold,
        "lost",
        "image.deleted was told 0",
    ),
    "deletion told twice": (
        lambda run: _after(run, run.delete, "image.deleted"),
        "duplicated",
        "image.deleted was told 2 times",
    ),
    "deleted, and there": (lambda run: run.history.deleted.add("good"), "wrong", "deleted, and there is a row"),
    "failed twice after one retry": (
        lambda run: _after(run, run.retry, "image.failed"),
        "wrong",
        "that is complete",
    ),
    "reset": (lambda run: run.history.resets.append("expired"), "lost", "reset: expired"),
    # leftovers
    "work left": (lambda run: setattr(run.evidence, "work_waiting", 1), "wrong", "left in WORK"),
    "unacknowledged": (lambda run: setattr(run.evidence, "work_unacked", 1), "wrong", "not acknowledged"),
    "work not ended": (lambda run: setattr(run.evidence, "work_rows", 1), "wrong", "rows of work are left"),
    "outbox left": (lambda run: setattr(run.evidence, "outbox", 1), "wrong", "left in the outbox"),
    "dead letter of a good one": (lambda run: run.evidence.dead_images.append("good"), "wrong", "did not fail"),
    "no dead letter": (lambda run: run.evidence.dead_images.clear(), "lost", "there is no dead letter"),
    # the API
    "unlisted": (lambda run: run.evidence.listed.pop(0), "lost", "not listed by the API"),
    "listed twice": (lambda run: run.evidence.listed.append(run.evidence.listed[0]), "duplicated", "listed 2 times"),
    "listed, no row": (
        lambda run: run.evidence.listed.append(replace(run.evidence.listed[0], id="x")),
        "duplicated",
        "there is no row",
    ),
    "other state": (
        lambda run: run.evidence.listed.append(replace(run.evidence.listed.pop(0), status="pending")),
        "wrong",
        "the API shows pending",
    ),
    "renditions unlisted": (
        lambda run: run.evidence.listed.append(replace(run.evidence.listed.pop(0), renditions=frozenset())),
        "wrong",
        "0 renditions",
    ),
    # analyses
    "analysis lost": (lambda run: run.evidence.analyses.clear(), "lost", "0 analyses, and one was accepted"),
    "analysis twice": (
        lambda run: run.evidence.analyses.append(run.evidence.analyses[0]),
        "duplicated",
        "2 analyses, and one",
    ),
    "analysis of nobody": (lambda run: run.history.analyses.clear(), "duplicated", "that nobody asked for"),
    "analysis stuck": (lambda run: run.analysis(status="queued"), "lost", "the analysis is still queued"),
    "analysis failed": (lambda run: run.analysis(status="failed", error="x"), "lost", "the analysis failed"),
    "no result": (lambda run: run.analysis(result=""), "lost", "has no result"),
    "no rendition for the model": (lambda run: run.evidence.renditions.pop(), "lost", "no rendition analysis"),
    "result not in the stream": (lambda run: run.evidence.analyzed.clear(), "lost", "is not in the stream"),
    "two events": (
        lambda run: run.evidence.analyzed.append(run.evidence.analyzed[0]),
        "duplicated",
        "is 2 times in the stream",
    ),
    "two results": (
        lambda run: run.evidence.analyzed.append(("analysis", "other")),
        "wrong",
        "image.analyzed tells another result",
    ),
    "event of an unfinished one": (
        lambda run: run.analysis(status="running"),
        "wrong",
        "image.analyzed of an analysis that is not complete",
    ),
    "result untold": (lambda run: run.unsay("good image.analyzed"), "lost", "image.analyzed was never told"),
    "result not in the API": (lambda run: run.evidence.answered.clear(), "wrong", "the API shows another result"),
    # what analyses cost
    "two answers": (
        lambda run: run.bill.calls.append(run.bill.calls[ANSWERED]),
        "duplicated",
        "2 answers were paid for",
    ),
    "paid twice": (lambda run: run.charge(2), "duplicated", "paid 3 times, with 1 calls in flight"),
    "charged and not written down": (lambda run: run.charge(2), "lost", "charges 3 calls, and 2 are written down"),
    "call of another picture": (lambda run: run.bill.pixels.clear(), "lost", "charges 1 calls, and 0 are written"),
    "unknown without a kill": (lambda run: run.history.killed.clear(), "wrong", "nothing was killed meanwhile"),
    "unknown of a kill that ends no call": (
        lambda run: run.history.killed.__setitem__(0, (100.2, "gateway")),
        "wrong",
        "nothing was killed meanwhile",
    ),
    "unknown of a later kill": (
        lambda run: run.history.killed.__setitem__(0, (200.0, "analyzer-1")),
        "wrong",
        "nothing was killed meanwhile",
    ),
    "budget of an owner": (
        lambda run: run.bill.budgets.update(local=1),
        "wrong",
        "is charged 1 tokens, and the ledger",
    ),
    "budget of all": (lambda run: run.bill.budgets.update({"": 1}), "wrong", "is charged 1 tokens, and the ledger"),
    "budget below the charges": (lambda run: run.charge(9), "wrong", "and the model charges"),
    "usage counted twice": (lambda run: setattr(run.bill, "usage_calls", 2), "wrong", "2 calls are counted, and 1"),
    "calls counted twice": (lambda run: run.analysis(calls=2), "wrong", "2 calls are counted, and 1 were answered"),
    "hit not counted": (lambda run: run.analysis(source="cache"), "wrong", "0 analyses without a call are counted"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_each_check_can_fail(name: str) -> None:
    spoil, kind, what = SPOILT[name]
    run = Run()
    spoil(run)
    found = judge(run.history, run.evidence)
    assert any(finding.kind == kind and what in finding.what for finding in found), found


@pytest.mark.parametrize(
    ("picture_size", "size", "pixels"),
    [
        ((320, 240), Size("150", 150, 150, "contain"), (150, 112)),
        ((100, 50), Size("150", 150, 150, "contain"), (100, 50)),
        ((4000, 3000), Size("v", 1080, 1920, "cover"), (1080, 1920)),
        ((320, 240), Size("v", 1080, 1920, "cover"), (135, 240)),
        ((2000, 500), Size("v", 1000, 1000, "cover"), (500, 500)),
    ],
)
def test_expected_pixels(picture_size: tuple[int, int], size: Size, pixels: tuple[int, int]) -> None:
    assert expected_pixels(*picture_size, size) == pytest.approx(pixels, abs=1)


def test_a_cut_rendition_is_no_picture() -> None:
    whole = picture(3, random.Random(2)).data
    assert not inspect(whole).fault
    assert "premature" in inspect(whole[: len(whole) // 2]).fault.lower()
    assert inspect(b"no picture at all").fault


def test_neighbouring_pictures_differ_in_colour() -> None:
    """Else a rendition of another picture would pass as one of this."""
    colours = [picture(index, random.Random(0), width=32, height=32).colour for index in range(1000)]
    assert None not in colours
    for one, other in itertools.pairwise(colours):
        assert one is not None
        assert other is not None
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) > 16
    assert len(set(colours)) == 1000

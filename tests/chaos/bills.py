"""Whether each analysis that was asked for has its result, told to all, and no answer was paid for twice.

A call of which nobody knows how it ended is paid, perhaps: it is made again. That is right where something was killed while
it lasted, and nowhere else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Literal

from tests.chaos.evidence import AnalysisRow, Bill, CallRow, Evidence, Size
from tests.chaos.history import History

Wrong = tuple[Literal["lost", "duplicated", "wrong"], str, str]

SIZE = Size("analysis", 1024, 1024, "contain")
"""The rendition that models are shown."""
ANALYZED = "image.analyzed"
_IN_FLIGHT = 15.0
"""Seconds that a call may have begun before a kill and still have been in flight: it took 0.3 s, on a busy machine."""
_ENDS_CALLS = ("analyzer", "postgres", "doubles")


def analyses_wrong(history: History, evidence: Evidence) -> Iterator[Wrong]:
    """Everything that is not as promised."""
    yield from _rows(history, evidence)
    yield from _told(history, evidence)
    yield from _paid(evidence.bill)
    yield from _unknown(history, evidence.bill)
    yield from _counted(evidence)


def unknown(bill: Bill) -> list[CallRow]:
    """Calls that may have been paid, and brought no answer."""
    return [call for call in bill.calls if call.outcome in {None, "unknown"}]


def charges(bill: Bill) -> Counter[str]:
    """How many calls the double has charged, by the pixels that it was shown."""
    return Counter(bill.pixels.get(charge.picture, charge.picture) for charge in bill.charges if charge.tokens)


def _rows(history: History, evidence: Evidence) -> Iterator[Wrong]:
    rows: dict[str, list[AnalysisRow]] = defaultdict(list)
    for row in evidence.analyses:
        rows[row.image_id].append(row)
    for image_id in sorted(history.analyses):
        found = rows.pop(image_id, [])
        if len(found) != 1:
            yield "duplicated" if found else "lost", image_id, f"{len(found)} analyses, and one was accepted"
        for row in found:
            yield from _row(row)
    for image_id in sorted(rows):
        yield "duplicated", image_id, "an analysis that nobody asked for"


def _row(row: AnalysisRow) -> Iterator[Wrong]:
    if row.status == "failed":
        yield "lost", row.id, f"the analysis failed, of which no model said anything: {row.error}"
    elif row.status != "completed":
        yield "lost", row.id, f"the analysis is still {row.status} ({row.waiting or 'nothing holds it up'})"
    elif not row.result:
        yield "lost", row.id, "the analysis is complete and has no result"


def _told(history: History, evidence: Evidence) -> Iterator[Wrong]:
    """What the stream, the socket and the API say of results."""
    told: dict[str, list[str]] = defaultdict(list)
    for analysis_id, result in evidence.analyzed:
        told[analysis_id].append(result)
    heard = Counter(event.subject for event in history.first_events() if event.type == ANALYZED)
    for row in evidence.analyses:
        if row.status != "completed":
            continue
        results = told.pop(row.id, [])
        if not results and not evidence.events_dropped:
            yield "lost", row.id, f"{ANALYZED} is not in the stream"
        if len(results) > 1:
            yield "duplicated", row.id, f"{ANALYZED} is {len(results)} times in the stream, under new ids"
        if set(results) - {row.result}:
            yield "wrong", row.id, f"{ANALYZED} tells another result"
        if heard[row.image_id] == 0 and row.image_id not in history.excused:
            yield "lost", row.id, f"{ANALYZED} was never told"
        if evidence.answered.get(row.id) != (row.status, row.result):
            yield "wrong", row.id, "the API shows another result, or none"
    for analysis_id in sorted(told):
        yield "wrong", analysis_id, f"{ANALYZED} of an analysis that is not complete"


def _paid(bill: Bill) -> Iterator[Wrong]:
    """An answer that came is never asked for again, and no call is charged that was not written down before."""
    answered = Counter(call.pixels for call in bill.calls if call.outcome == "answered")
    perhaps, charged = Counter(call.pixels for call in unknown(bill)), charges(bill)
    for pixels, count in sorted(answered.items()):
        if count > 1:
            yield "duplicated", pixels[:12], f"{count} answers were paid for"
    for pixels, count in sorted(charged.items()):
        if count > 1 + perhaps[pixels]:
            yield "duplicated", pixels[:12], f"paid {count} times, with {perhaps[pixels]} calls in flight at a kill"
        if count > answered[pixels] + perhaps[pixels]:
            written = answered[pixels] + perhaps[pixels]
            yield "lost", pixels[:12], f"the model charges {count} calls, and {written} are written down"


def _unknown(history: History, bill: Bill) -> Iterator[Wrong]:
    kills = [at for at, name in history.killed if name.startswith(_ENDS_CALLS)]
    for call in unknown(bill):
        if not any(call.began_at <= at <= (call.ended_at or call.began_at + _IN_FLIGHT) for at in kills):
            yield (
                "wrong",
                call.pixels[:12],
                "a call of which nobody knows how it ended, and nothing was killed meanwhile",
            )


def _counted(evidence: Evidence) -> Iterator[Wrong]:
    """The sums of everybody who counts agree."""
    bill, calls, tokens = evidence.bill, evidence.bill.calls, sum(charge.tokens for charge in evidence.bill.charges)
    owners = {
        owner: sum(call.charged for call in calls if call.owner == owner) for owner in {each.owner for each in calls}
    }
    for owner, wanted in {**owners, "": sum(owners.values())}.items():
        if bill.budgets.get(owner, 0) != wanted:
            found = bill.budgets.get(owner, 0)
            yield "wrong", f"budget {owner or 'of all'}", f"is charged {found} tokens, and the ledger {wanted}"
    if bill.budgets.get("", 0) < tokens:
        yield "wrong", "budget", f"is charged {bill.budgets.get('', 0)} tokens, and the model charges {tokens}"
    answered = sum(call.outcome == "answered" for call in calls)
    for name, count in (("usage", bill.usage_calls), ("analyses", sum(row.calls for row in evidence.analyses))):
        if count != answered:
            yield "wrong", name, f"{count} calls are counted, and {answered} were answered"
    hits = sum(row.source == "cache" for row in evidence.analyses)
    if bill.usage_hits != hits:
        yield "wrong", "usage", f"{bill.usage_hits} analyses without a call are counted, of {hits}"

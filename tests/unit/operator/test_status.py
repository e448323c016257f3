"""What the status shows can be written: no figure is one that the definition does not allow."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from heliograph_operator.model import Signal
from heliograph_operator.status import State, document

ANY = st.floats(allow_nan=True, allow_infinity=True)


@given(st.integers(-(2**70), 2**70), ANY, st.none() | ANY, st.none() | ANY)
def test_any_figures_are_within_what_the_definition_allows(
    count: int, arrivals: float, rate: float | None, slots: float | None
) -> None:
    state = State("uid")
    signal = state.filled(Signal(backlog=count, in_flight=count, arrival_rate=arrivals, service_rate=rate, slots=slots))
    status = document(
        state,
        generation=1,
        replicas=1,
        decision=None,
        signal=signal,
        conditions=(),
        held=False,
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    json.dumps(status, allow_nan=False)
    for key in ("backlog", "inFlight"):
        assert 0 <= status[key] < 2**63
    for key in ("arrivalRate", "serviceRate", "slots"):
        assert 0 <= status.get(key, 0.0) < math.inf

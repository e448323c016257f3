"""Bounds on ids that times imply."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from heliograph_common.clock import utc_now
from heliograph_common.ids import new_id
from heliograph_gateway.images.queries import id_floor


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from([timedelta(hours=-1), timedelta(), timedelta(hours=1)]))
def test_any_moment_has_a_bound(moment: datetime, slack: timedelta) -> None:
    assert 0 <= id_floor(moment, slack).int < 1 << 128


def test_ids_of_now_lie_between_the_bounds_around_now() -> None:
    now = utc_now()
    bounds = [id_floor(now, timedelta(minutes=minutes)) for minutes in (-5, -1, 1, 5)]

    assert bounds[0] < bounds[1] < new_id() < bounds[2] < bounds[3]

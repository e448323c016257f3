"""Figures of a consumer that cannot be are not taken for a load."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from heliograph_common.bus.connection import Bus
from heliograph_common.bus.consumers import ConsumerState, consumer_state
from heliograph_common.errors import BusUnavailable

MOST = 2**53
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def answering(pending: object, unacked: object) -> Bus:
    """A bus whose server says that of each consumer."""

    async def consumer_info(*_: object, **__: object) -> Any:
        return SimpleNamespace(num_pending=pending, num_ack_pending=unacked, paused=None, created=CREATED)

    return cast("Bus", SimpleNamespace(connected=True, jetstream=SimpleNamespace(consumer_info=consumer_info)))


@pytest.mark.parametrize(("pending", "unacked"), [(0, 0), (MOST, MOST)])
async def test_what_a_server_may_say_is_believed(pending: int, unacked: int) -> None:
    state = await consumer_state(answering(pending, unacked), "WORK", "sample", timeout_seconds=1)
    assert state == ConsumerState(pending, unacked, paused=False, created=CREATED)


@pytest.mark.parametrize("wrong", [-1, 2**53 + 1, 2**64 - 1, 1.5, True, "7"])
@pytest.mark.parametrize("where", [0, 1])
async def test_figures_that_cannot_be_are_none(wrong: object, where: int) -> None:
    figures = [wrong if number == where else 3 for number in range(2)]
    with pytest.raises(BusUnavailable, match=r"consumer sample .*cannot be"):
        await consumer_state(answering(*figures), "WORK", "sample", timeout_seconds=1)


async def test_a_server_that_leaves_them_out_tells_nothing() -> None:
    with pytest.raises(BusUnavailable, match="did not report"):
        await consumer_state(answering(None, 3), "WORK", "sample", timeout_seconds=1)

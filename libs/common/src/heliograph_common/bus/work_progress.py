"""What WORK holds and how far its consumers have come, as one answer: by it the reconciler knows which commands are still
outstanding. Incomplete knowledge is an error here, never "nothing waits"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from nats.js.api import StreamInfo

from heliograph_common.bus.api import answered
from heliograph_common.bus.connection import Bus
from heliograph_common.contracts.streams import CONSUMERS, ConsumerSpec
from heliograph_common.contracts.subjects import WORK_STREAM
from heliograph_common.errors import BusUnavailable


@dataclass(frozen=True)
class ConsumerProgress:
    """``delivered_seq``: the highest stream sequence that was delivered at least once, 0 when none was; ``pending``:
    messages that were never delivered; ``paused``: nothing is delivered until an administrator resumes it."""

    delivered_seq: int
    pending: int
    paused: bool


@dataclass(frozen=True)
class WorkProgress:
    """``epoch`` names this incarnation of the stream; ``last_seq`` is its highest sequence, read before ``consumers``
    (by durable name): a command published after that may be missing here."""

    epoch: str
    last_seq: int
    consumers: Mapping[str, ConsumerProgress]


async def work_progress(bus: Bus) -> WorkProgress:
    """How WORK stands now.

    Raises:
        BusUnavailable: NATS does not tell, the stream or a consumer does not exist, or was replaced meanwhile.
    """
    before = await _stream(bus)
    consumers = {spec.durable: await _consumer(bus, spec) for spec in CONSUMERS if spec.stream == WORK_STREAM}
    epoch = epoch_of(before)
    if epoch_of(await _stream(bus)) != epoch:
        raise BusUnavailable(f"stream {WORK_STREAM} was replaced just now; try again")
    return WorkProgress(epoch, before.state.last_seq, consumers)


def epoch_of(info: StreamInfo) -> str:
    """The incarnation of a stream: its creation time in microseconds, hexadecimal.

    Raises:
        BusUnavailable: the server does not tell.
    """
    if info.created is None:
        raise BusUnavailable(f"the server did not report when stream {info.config.name} was created")
    return f"{round(info.created.timestamp() * 1_000_000):x}"


def created(epoch: str) -> datetime:
    """When the stream of that incarnation was created (UTC)."""
    return datetime.fromtimestamp(int(epoch, 16) / 1_000_000, UTC)


async def _stream(bus: Bus) -> StreamInfo:
    with answered(bus, WORK_STREAM):
        return await bus.jetstream.stream_info(WORK_STREAM)


async def _consumer(bus: Bus, spec: ConsumerSpec) -> ConsumerProgress:
    with answered(bus, spec.durable):
        info = await bus.jetstream.consumer_info(spec.stream, spec.durable)
    if info.delivered is None or info.num_pending is None:
        raise BusUnavailable(f"the server did not report the progress of consumer {spec.durable}")
    return ConsumerProgress(info.delivered.stream_seq, info.num_pending, bool(info.paused))

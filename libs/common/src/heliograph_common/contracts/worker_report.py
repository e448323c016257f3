"""What a worker process tells each second about its load, on core NATS: nobody stores it, and the next one replaces it.

Counts are of this process since its start and never decrease. A field is only ever added, with a default; a report that does
not match is left out of account by its reader.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from heliograph_common.errors import MalformedMessage

EVERY_SECONDS = 1.0
"""How often a process reports."""

LONGEST = 64 * 1024
"""Bytes of a report; nobody sends or reads a longer one."""

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=253)]
_Small = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
_Delay = Annotated[int, msgspec.Meta(ge=0, le=86_500)]
_Total = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=2**40)]


class QueueReport(msgspec.Struct, frozen=True, kw_only=True):
    """One durable consumer that a handler takes messages from. ``finished``: messages that left its queue because this
    process acknowledged or terminated them. ``delayed``: messages that this process returned with a delay that is not over,
    as pairs of seconds until they are due and how many are due then."""

    durable: _Name
    finished: _Total = 0
    delayed: Annotated[tuple[tuple[_Delay, _Small], ...], msgspec.Meta(max_length=1024)] = ()


class HandlerReport(msgspec.Struct, frozen=True, kw_only=True):
    """One handler. ``busy``: slots in use; ``stalled``: of them, those that wait for a server that is away. ``taking``: it
    would take a message if one came. ``stopping``: it only finishes what it has, and then ends. ``busy_seconds``: time that
    slots were in use, summed over slots, jobs that still run included and waiting for servers left out. ``completions``:
    messages that it was done with, for good or as failed."""

    consumer: _Name
    slots: _Small
    busy: _Small
    stalled: _Small
    taking: bool
    busy_seconds: _Seconds
    completions: _Total
    queues: Annotated[tuple[QueueReport, ...], msgspec.Meta(max_length=64)]
    stopping: bool = False


class WorkerReport(msgspec.Struct, frozen=True, kw_only=True):
    """One process. ``host`` is its host name, in Kubernetes its pod's name; ``process`` is another one after each start.
    ``up_seconds``: since when it counts. ``stopped``: this is its last report, and it takes and handles nothing any more."""

    service: _Name
    host: _Name
    pid: Annotated[int, msgspec.Meta(ge=0)]
    process: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    up_seconds: _Seconds
    stopped: bool = False
    handlers: Annotated[tuple[HandlerReport, ...], msgspec.Meta(max_length=32)]


def encode(report: WorkerReport) -> bytes:
    """The report's bytes on the wire."""
    return msgspec.json.encode(report)


def decode(payload: bytes) -> WorkerReport:
    """The report in ``payload``.

    Raises:
        MalformedMessage: it is none, or a bound of its fields is exceeded.
    """
    if len(payload) > LONGEST:
        raise MalformedMessage(f"a report of {len(payload)} bytes; at most {LONGEST} are read")
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessage(f"not a report of a worker: {error}") from error


_decoder = msgspec.json.Decoder(WorkerReport)

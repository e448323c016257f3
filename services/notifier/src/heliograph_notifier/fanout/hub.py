"""The pod's memory of recent events (the ring) and who gets which event (the fan-out). Pure: no I/O, nothing awaited but
its own start. ``feed`` puts events in, ``replay`` lets clients in, ``drain`` sends them away."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from heliograph_notifier.fanout.client import Client
from heliograph_notifier.protocol.cursor import Cursor
from heliograph_notifier.protocol.frames import Event
from heliograph_notifier.protocol.vocabulary import ResetReason


class Ring:
    """The newest events in stream order, bounded by count and bytes. It holds every event after ``floor``."""

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._events: list[Event | None] = []
        self._sequences: list[int] = []
        self._start = 0
        self.bytes = 0
        self.floor = 0

    def __len__(self) -> int:
        return len(self._events) - self._start

    def clear(self, floor: int) -> None:
        """Forgets everything; what comes is after ``floor``."""
        self._events, self._sequences, self._start, self.bytes, self.floor = [], [], 0, 0, floor

    def append(self, event: Event) -> None:
        """Adds the newest event and lets the oldest go where there are too many; the newest always stays."""
        self._events.append(event)
        self._sequences.append(event.seq)
        self.bytes += event.size
        while len(self) > 1 and (len(self) > self._max_events or self.bytes > self._max_bytes):
            self._evict()
        if self._start > 1024 and self._start * 2 > len(self._events):
            del self._events[: self._start], self._sequences[: self._start]
            self._start = 0

    def after(self, seq: int, limit: int) -> Sequence[Event]:
        """Up to ``limit`` events after ``seq``, which is at least ``floor``."""
        first = bisect_right(self._sequences, seq, lo=self._start)
        return [event for event in self._events[first : first + limit] if event is not None]

    def _evict(self) -> None:
        oldest = self._events[self._start]
        self._events[self._start] = None
        self._start += 1
        if oldest is not None:
            self.bytes -= oldest.size
            self.floor = oldest.seq


class Hub:
    """All clients of this process, and the position up to which they were served (``head``)."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.epoch = ""
        self.head = 0
        self.generation = 0
        self.broken_by: ResetReason = "rewound"
        """What clients that are being brought to the present are told when ``generation`` changes meanwhile."""
        self.started = asyncio.Event()
        self.draining = False
        self.clients: set[Client] = set()
        self._live: defaultdict[str | None, set[Client]] = defaultdict(set)
        self._sockets: Counter[str] = Counter()

    @property
    def cursor(self) -> Cursor:
        """The position of a client that has seen everything."""
        return Cursor(self.epoch, self.head)

    def cursor_of(self, client: Client) -> Cursor | None:
        """The position after all that was sent or is queued to the client; ``None`` while a replay is under way."""
        return Cursor(self.epoch, max(self.head, client.position)) if client.live else None

    def begin(self, epoch: str, head: int, *, after: ResetReason = "rewound") -> None:
        """The first position, or a new one after a break (then of a new ``generation``, and ``after`` says what broke):
        the ring starts empty there. ``started`` is for the feed to set, once it has read what there was."""
        self.epoch, self.head, self.broken_by = epoch, head, after
        self.generation += 1
        self.ring.clear(head)

    def admit(self, event: Event) -> list[Client]:
        """Remembers ``event``, which is after ``head``; the live clients that are to get it."""
        self.ring.append(event)
        self.head = event.seq
        owners = list(self._live) if event.public else (event.owner, None)
        return [client for owner in owners for client in self._live.get(owner, ()) if client.wants(event)]

    def skip(self, seq: int) -> None:
        """Moves on past a message that is no event."""
        self.head = seq

    def join(self, client: Client) -> None:
        """From the next event on the client is served live. What it was sent must reach up to ``head``."""
        self._live[client.owner].add(client)
        client.live = True

    def leave(self, client: Client) -> None:
        """The client is no longer served live."""
        client.live = False
        members = self._live.get(client.owner)
        if members is not None:
            members.discard(client)
            if not members:
                del self._live[client.owner]

    def live(self) -> Iterable[Client]:
        """Every client that is served live, at this moment."""
        return [client for members in self._live.values() for client in members]

    def count(self, subject: str) -> int:
        """Sockets of one principal."""
        return self._sockets[subject]

    def hold(self, subject: str) -> None:
        """Counts a socket of ``subject``."""
        self._sockets[subject] += 1

    def release(self, subject: str) -> None:
        """Counts a socket of ``subject`` as gone."""
        self._sockets[subject] -= 1
        if not self._sockets[subject]:
            del self._sockets[subject]

    def queued_bytes(self) -> int:
        """Bytes waiting for all clients."""
        return sum(client.queued_bytes for client in self.clients)

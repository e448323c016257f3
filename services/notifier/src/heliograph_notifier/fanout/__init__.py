"""Which client gets which event: the ring of recent events, replays, filters and each client's queue. Knows no transport."""

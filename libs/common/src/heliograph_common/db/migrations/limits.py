"""How long a migration may stand in the way of others. ``migrations.run`` sets it, helpers of the scripts set it back."""

from __future__ import annotations

LOCK_TIMEOUT = "2s"
"""While a migration waits for a table's lock, everybody else who comes for the table queues behind it."""

"""``/v1/queue``: how much work waits, and since when."""

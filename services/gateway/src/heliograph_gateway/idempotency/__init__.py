"""``Idempotency-Key``: a request that is sent twice takes effect once."""

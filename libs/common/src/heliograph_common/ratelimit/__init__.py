"""How many requests a caller may send: token buckets that all replicas share."""

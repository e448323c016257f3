"""``/v1/images``: list, show, delete and retry images."""

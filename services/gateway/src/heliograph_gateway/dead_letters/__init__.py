"""``/v1/dead-letters``: what could not be handled, for administrators."""

"""``/v1/uploads``: files that clients put into the object store themselves."""

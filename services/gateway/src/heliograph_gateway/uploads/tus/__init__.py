"""``/v1/uploads/tus``: resumable uploads, tus 1.0 (tus.io/protocols/resumable-upload)."""

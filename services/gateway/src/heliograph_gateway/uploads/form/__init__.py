"""``POST /v1/images``: pictures as a raw body or as multipart/form-data."""

"""``/v1/images/{id}/renditions``: the files of an image by signed URL."""

"""Lists folders page by page."""

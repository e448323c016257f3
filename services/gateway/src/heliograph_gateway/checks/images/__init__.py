"""Images that lack a display size or work."""

"""The queue of words that wait for a picture: filled on request, and counted."""

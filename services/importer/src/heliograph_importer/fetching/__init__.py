"""Fetches files, one message each."""

"""Counts what became of the files of each import, and ends it."""

"""Finds pictures for words."""

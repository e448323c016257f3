"""Whose files come next."""

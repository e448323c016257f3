"""Searching images by their words."""

"""Describes images with a vision model."""

"""Profiles of analysis: each module beside ``port``, ``registry``, ``strict`` and ``texts`` is one, and found by itself."""

"""The tag of words in the OpenAPI document."""

from __future__ import annotations

from heliograph_gateway.http.tags import Tag

WORDS = Tag("words", "Send words, and fetch the images that are found for them.")

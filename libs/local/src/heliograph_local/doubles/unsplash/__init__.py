"""The test double of Unsplash's API: search, one photo and its download, and the image files. What it answers is checked by
the types of Unsplash's own npm package; its photos are made up, and follow from what is searched."""

from heliograph_local.doubles.unsplash.app import KEY, UnsplashDouble
from heliograph_local.doubles.unsplash.calls import Call
from heliograph_local.doubles.unsplash.photos import Kind, Photo

__all__ = ["KEY", "Call", "Kind", "Photo", "UnsplashDouble"]

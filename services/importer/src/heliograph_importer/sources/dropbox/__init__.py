"""Imports from Dropbox: folders that are shared by link, and folders of a user who has handed in a token."""

from heliograph_importer.sources.dropbox.provider import Dropbox

__all__ = ["Dropbox"]

"""The test double of Dropbox. It answers on two base URLs, ``<address>/api`` and ``<address>/content``, as Dropbox has a
host for each, and is checked by the route tables of Dropbox's own SDK."""

from heliograph_local.doubles.dropbox.app import DropboxDouble
from heliograph_local.doubles.dropbox.tree import Account, File, Folder, SharedLink

__all__ = ["Account", "DropboxDouble", "File", "Folder", "SharedLink"]

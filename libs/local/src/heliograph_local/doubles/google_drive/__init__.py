"""Google Drive on this machine: version 3 of its API, as far as importing needs it, over a tree of files in memory."""

from heliograph_local.doubles.google_drive.app import DriveDouble
from heliograph_local.doubles.google_drive.demo import add_demo
from heliograph_local.doubles.google_drive.tree import ANYONE, Item, Tree

__all__ = ["ANYONE", "DriveDouble", "Item", "Tree", "add_demo"]

"""The routes of the systems that Heliograph replaces, over the same features."""

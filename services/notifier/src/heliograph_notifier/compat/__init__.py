"""The socket of the system that Heliograph replaces."""

"""The vision model: the port, and an adapter for each of the two APIs that servers of models speak."""

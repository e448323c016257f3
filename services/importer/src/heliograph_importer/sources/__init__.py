"""The port to providers, and an adapter for each."""

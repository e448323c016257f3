"""Analyzes one image: takes it, asks about it, writes down what came of it."""

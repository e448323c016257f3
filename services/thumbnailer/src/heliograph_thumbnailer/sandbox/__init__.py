"""Renders in confined processes that can be killed: pool, zygote, child, and what they say to one another."""

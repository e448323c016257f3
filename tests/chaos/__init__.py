"""Fault tests over the embedded stack: ``python -m tests.chaos`` (``make chaos``).

A client keeps the books of what was accepted, told on the socket and fetched; while it works, servers and services are
killed, frozen and restarted; at the end a checker compares the books with what PostgreSQL, S3 and NATS hold.
"""

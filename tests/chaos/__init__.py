"""Fault tests over the embedded stack: ``python -m tests.chaos`` (``make chaos``).

A client records what was accepted, sent on the socket and fetched; while it works, servers and services are
killed, frozen and restarted; at the end a checker compares that record with what PostgreSQL, S3 and NATS hold.
"""

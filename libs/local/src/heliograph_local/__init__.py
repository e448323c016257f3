"""The embedded stack: real NATS, PostgreSQL and S3 servers from wheels, supervised, without containers.

For ``heliograph dev`` and tests. Not meant for production: one replica of everything.
"""

"""The embedded stack: real NATS, PostgreSQL and S3 servers from wheels, supervised, without containers.

Used by ``heliograph dev`` and by the integration and chaos tests. Not meant for production: one replica of everything.
"""

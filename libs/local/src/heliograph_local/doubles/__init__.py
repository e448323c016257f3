"""Test doubles of the servers of others that Heliograph asks, such as the providers that pictures are imported from: real
HTTP servers on this machine, whose every answer and every accepted request is checked against the vendor's own published
schema, and which misbehave on request. For tests, and for trying Heliograph without an account. Needs the extra
``heliograph-local[doubles]``."""

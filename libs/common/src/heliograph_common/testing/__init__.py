"""Fakes of the ports, for tests and for ``bootstrap`` in fault tests. Those of servers are each held to their port by a
suite in ``tests/ports`` that also runs over the real thing."""

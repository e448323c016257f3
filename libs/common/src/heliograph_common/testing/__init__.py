"""Fakes of the ports, for tests and for ``bootstrap`` in fault tests. Each is held to its port by a suite in
``tests/ports`` that also runs over the real thing."""

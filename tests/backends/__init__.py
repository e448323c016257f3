"""The servers that tests run on: the embedded stack, or containers of the same three servers.

``plugin`` chooses per test, ``engine`` finds Docker and the images, ``containers`` starts the servers. The worlds inside
them (a database, a NATS account, a bucket for each test) are made by ``heliograph_local.testing`` in both.
"""

"""``make conformance``: does the running system do what its documents and the standards say?"""

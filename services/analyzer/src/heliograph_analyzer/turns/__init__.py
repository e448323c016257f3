"""Sends analyses as their turns come, and finds those that nothing would move."""

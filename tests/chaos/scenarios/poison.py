"""Fault test 7: poison"""

NUMBER, TITLE = 7, "poison"
ENVIRONMENT: dict[str, str] = {}

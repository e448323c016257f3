"""The double of the web: a server of pictures as there are many, and of what the worst of them answer. It has no vendor, so
no schema: what it answers is HTTP."""

from heliograph_local.doubles.web.double import WebDouble

__all__ = ["WebDouble"]

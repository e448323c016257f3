"""The routes, one module a resource; ``app.py`` puts them together."""

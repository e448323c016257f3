"""``/v1/imports``: folders of providers and lists of URLs, imported in the background."""

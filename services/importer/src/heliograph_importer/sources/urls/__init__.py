"""Lists of URLs as a source: each address is a file, fetched through the guard against server-side request forgery."""

from heliograph_importer.sources.urls.source import UrlList

__all__ = ["UrlList"]

"""Statements on words that several services run, each inside its caller's transaction: ``entries`` (words and
vocabularies), ``queue`` (who waits, and where), ``budget`` (requests of an hour), ``pictures``."""

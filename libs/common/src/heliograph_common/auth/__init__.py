"""Who sends a request: bearer tokens by RFC 8725. Only this package imports jwt."""

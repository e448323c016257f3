"""Who sends a request (bearer tokens by RFC 8725), and secrets at rest. Only this package imports jwt and cryptography."""

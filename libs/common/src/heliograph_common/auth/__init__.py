"""Who is asking: bearer tokens by RFC 8725. Only this room imports jwt."""

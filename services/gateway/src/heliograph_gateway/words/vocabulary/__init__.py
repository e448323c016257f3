"""The words that a caller learns."""

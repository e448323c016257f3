"""How many requests of one caller to one route pass."""

"""What the gateway and the importers share when a file comes in: cap, type by content, hash, duplicates."""

"""What every Heliograph service shares: contracts, bus, blobs, database, ingest, telemetry and the service runtime.

Packages and who may import whom are drawn in ``docs/architecture.md`` and enforced by import-linter.
"""

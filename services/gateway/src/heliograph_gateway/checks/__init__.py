"""Checks: rows compared with objects and streams, differences reported and, on request, repaired (docs/runbooks/check.md).

``findings`` names what can be wrong; ``merge`` compares two ordered sides page by page; ``originals``, ``renditions``,
``images``, ``work`` and ``streams`` are the steps; ``store`` has the rows of checks, ``runner`` moves them along.
"""

"""Benchmarks: each prints one table, ours beside its peer in the same run. ``python -m benchmarks P1,P4``.

Not part of any service. What the figures mean, and those of one machine: ``docs/guides/performance.md``.
"""

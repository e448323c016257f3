"""What a picture may be at most, before anything decodes it. The one place of these defaults: ``settings.LimitSettings``
reads them here for the configuration, ``ingest.sniff`` for its checks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before decoding: file size (bytes), pixels over all frames, frames, and one side (pixels)."""

    max_bytes: int = 50 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_frames: int = 1000
    max_side: int = 30_000

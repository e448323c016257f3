"""Predicts the memory of a render before it begins. Pure; the pool admits a job by it and limits the child to it."""

from __future__ import annotations

from heliograph_common.ingest.headers import Header
from heliograph_thumbnailer.imaging.model import RenderJob
from heliograph_thumbnailer.imaging.sizes import lay_out

BYTES_PER_PIXEL = {"image/jpeg": 4, "image/webp": 16, "image/png": 8, "image/gif": 8, "image/tiff": 16}
PROGRESSIVE = 7
OTHER = 16
_FIXED = 24 << 20  # a child's own share beyond its parent's pages


def predict(header: Header, size: int, job: RenderJob) -> int:
    """Bytes at the peak: the file (``size``), the decoded picture at full size and the renditions in hand.

    Bytes a pixel: baseline JPEG 4, progressive JPEG 7 (its coefficients stay in memory), WebP 16, others by measure.
    """
    per_pixel = PROGRESSIVE if header.progressive else BYTES_PER_PIXEL.get(header.mime_type, OTHER)
    decoded = header.width * header.height * per_pixel
    width, height = header.upright
    layouts = [lay_out(width, height, spec) for spec in (*job.thumbnails, *job.variants)]
    renditions = sum(layout.width * layout.height * 4 for layout in layouts)
    largest = max((layout.width * layout.height * 8 for layout in layouts), default=0)
    return _FIXED + size + decoded + renditions + largest

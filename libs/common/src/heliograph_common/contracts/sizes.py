"""The sizes that an installation renders until an administrator changes them. Pixels; quality is the encoder's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class SizeSpec:
    """One size: ``contain`` fits the picture into the box, ``cover`` fills it and crops what juts out."""

    name: str
    kind: Literal["thumbnail", "variant"]
    width: int
    height: int
    fit: Literal["cover", "contain"]
    format: Literal["jpeg", "webp"]
    quality: int


def _thumbnail(edge: int) -> SizeSpec:
    return SizeSpec(name=str(edge), kind="thumbnail", width=edge, height=edge, fit="contain", format="jpeg", quality=82)


def _variant(width: int, height: int) -> SizeSpec:
    return SizeSpec(
        name=f"{width}x{height}", kind="variant", width=width, height=height, fit="cover", format="jpeg", quality=82
    )


DEFAULT_SIZES: tuple[SizeSpec, ...] = (
    *(_thumbnail(edge) for edge in (150, 300, 600)),
    *(_variant(*pixels) for pixels in ((1080, 1920), (2160, 3840), (1038, 1278))),
)

ANALYSIS_SIZE = SizeSpec(
    name="analysis", kind="thumbnail", width=1024, height=1024, fit="contain", format="jpeg", quality=85
)
"""What a vision model is shown, of images that are to be analyzed: a whole picture in as many tokens as it is worth. No
display size has its name."""

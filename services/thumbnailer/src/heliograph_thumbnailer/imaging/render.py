"""One picture, all its renditions: header, one decode, thumbnails first, then variants. Runs in the render child.

``render`` is a plain function and may be called in-process by benchmarks; services go through ``pool``, which runs it
in a confined child. Left out: storage, messages, limits of memory and time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from heliograph_common.ingest import sniff
from heliograph_common.ingest.headers import Header
from heliograph_thumbnailer.imaging import blocks, exif, facts, simd
from heliograph_thumbnailer.imaging.blocks import Buffer
from heliograph_thumbnailer.imaging.decode import Decoded, as_array, decode
from heliograph_thumbnailer.imaging.encode import encode, on_white, samples, upright
from heliograph_thumbnailer.imaging.model import (
    ImageFacts,
    RenderEvent,
    RenderJob,
    Rendition,
    Step,
    ThumbnailsDone,
    VariantsDone,
)
from heliograph_thumbnailer.imaging.resample import Resampler
from heliograph_thumbnailer.imaging.sizes import Layout, RenditionSpec, lay_out

_FACTS = RenditionSpec("facts", "thumbnail", facts.SIDE, facts.SIDE, "contain")


def render(
    data: Buffer,
    job: RenderJob,
    emit: Callable[[RenderEvent], None],
    admit: Callable[[Header], None] = lambda _header: None,
) -> None:
    """Renders ``data`` and hands ``ThumbnailsDone``, then ``VariantsDone`` to ``emit``.

    ``admit`` gets the header before anything is decoded; what it raises ends the render. Raises ``BadImage``,
    ``UnsupportedImage`` or ``ImageTooLarge``; what was emitted before stays good.
    """
    clock = _Clock()
    with clock.step("header"):
        header = sniff.sniff_bytes(memoryview(data))
        sniff.check(header, len(data), job.limits)
    admit(header)
    work = _Render(data, header, job, clock)
    emit(ThumbnailsDone(work.renditions(job.thumbnails), work.facts(), clock.take()))
    emit(VariantsDone(work.renditions(job.variants), clock.take()))


class _Clock:
    """Collects steps, their starts counted from its making."""

    def __init__(self) -> None:
        self._zero = time.perf_counter()
        self._steps: list[Step] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._steps.append(Step(name, start - self._zero, time.perf_counter() - start))

    def take(self) -> list[Step]:
        steps, self._steps = self._steps, []
        return steps


class _Render:
    """The decoded picture and what is cut from it."""

    def __init__(self, data: Buffer, header: Header, job: RenderJob, clock: _Clock) -> None:
        self._data, self._header, self._clock = data, header, clock
        scale = max((self._lay_out(spec).scale for spec in (*job.thumbnails, *job.variants, _FACTS)), default=1.0)
        with clock.step("decode"):
            self._decoded: Decoded = decode(data, header, min(scale, 1.0))
        self._resampler = Resampler(self._decoded, header.width, header.height)

    def renditions(self, specs: tuple[RenditionSpec, ...]) -> list[Rendition]:
        """In the order of ``specs``; worked from large to small."""
        laid_out = sorted(((spec, self._lay_out(spec)) for spec in specs), key=lambda pair: pair[1].scale, reverse=True)
        done = {spec.name: self._rendition(spec, layout) for spec, layout in laid_out}
        return [done[spec.name] for spec in specs]

    def facts(self) -> ImageFacts:
        """What is known of the picture; cut from the smallest thumbnail that will do."""
        header = self._header
        with self._clock.step("facts"):
            image = upright(self._resampler.cut(self._lay_out(_FACTS)), header.orientation)
            small = facts.rgba(*samples(image, self._decoded))
            found = exif.parse(self._decoded.exif)
            width, height = header.upright
            return ImageFacts(
                mime_type=header.mime_type,
                width=width,
                height=height,
                thumbhash=facts.thumbhash(small),
                dominant_color=facts.dominant_color(small),
                phash=facts.phash(_square(small)),
                pixel_hash=blocks.pixel_hash(self._data, header.mime_type, header.orientation),
                exif=found.tags,
                taken_at=found.taken_at,
                gps=found.gps,
            )

    def _lay_out(self, spec: RenditionSpec) -> Layout:
        sideways = self._header.orientation >= 5
        return lay_out(self._header.width, self._header.height, spec.turned() if sideways else spec)

    def _rendition(self, spec: RenditionSpec, layout: Layout) -> Rendition:
        with self._clock.step(f"resample {spec.name}"):
            image = upright(self._resampler.cut(layout), self._header.orientation)
        with self._clock.step(f"encode {spec.name}"):
            pixels, form = samples(on_white(image) if spec.format == "jpeg" else image, self._decoded)
            data = encode(pixels, form, spec)
        return Rendition(spec.name, spec.kind, image.width, image.height, spec.format, data, layout.limited)


def _square(pixels: Any) -> Any:
    """RGBA samples as 32 x 32, whatever the shape: what the perceptual hash looks at."""
    pil = simd.load()
    height, width, _ = pixels.shape
    image = pil.frombuffer("RGBX", (width, height), pixels.tobytes(), "raw", "RGBX", 0, 1)
    return as_array(image.resize((32, 32), pil.Resampling.LANCZOS).tobytes(), 32, 32, 4)

"""P1: rendering on one core, beside libvips, Pillow, thumbor's way with Pillow, and libjpeg-turbo's bare decode.

Figures are CPU milliseconds of the engine's process, all its threads, pinned to one core: what a core of its own would
take, whatever else the machine does. The engines take turns, picture by picture and round by round.
"""

from __future__ import annotations

import contextlib
import io
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image  # noqa: TID251 - nothing is rendered with it here

from benchmarks import engines, pictures
from benchmarks.engines import Engine
from benchmarks.pictures import Picture
from benchmarks.report import progress, show, step, verdict
from benchmarks.similarity import ssim
from heliograph_thumbnailer.imaging.sizes import THUMBNAILS, VARIANTS, RenditionSpec, lay_out

PEERS = ("libvips", "libvips_once", "pillow", "thumbor")
FLOOR_AIM, QUALITY_AIM = 1.15, 0.98
_ROUNDS, _LEAST_ROUNDS, _ROW_SECONDS = 15, 5, 5.0
_TOP_QUALITY = 100
_PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "photos"

_MADE: tuple[tuple[str, Callable[[], bytes], int, int], ...] = (
    ("JPEG 0.3 MP", lambda: pictures.jpeg(640, 480), 640, 480),
    ("JPEG 3 MP", lambda: pictures.jpeg(2048, 1536), 2048, 1536),
    ("JPEG 12 MP", lambda: pictures.jpeg(4032, 3024), 4032, 3024),
    ("JPEG 50 MP", lambda: pictures.jpeg(8160, 6120), 8160, 6120),
    ("JPEG progressive 12 MP", lambda: pictures.jpeg(4032, 3024, progressive=True), 4032, 3024),
    ("PNG 3 MP", lambda: pictures.png(2000, 1500), 2000, 1500),
    ("PNG alpha 3 MP", lambda: pictures.png(2000, 1500, alpha=True), 2000, 1500),
    ("WebP 3 MP", lambda: pictures.webp(2000, 1500), 2000, 1500),
)
_SETS = (THUMBNAILS, (*THUMBNAILS, *VARIANTS))
_FOUND = ("landscape_6mp.jpg", "alpha_3mp.png", "photo.webp")


@dataclass
class Row:
    """The measurements of one picture and one set of renditions: CPU seconds by engine, and SSIM by engine."""

    picture: Picture
    wanted: list[dict[str, Any]]
    seconds: dict[str, list[float]] = field(default_factory=dict)
    quality: dict[str, float] = field(default_factory=dict)

    def median(self, engine: str) -> float:
        """In milliseconds."""
        return statistics.median(self.seconds[engine]) * 1000

    def ratio(self, engine: str) -> float:
        """The median over the rounds of ``engine``'s time by ours."""
        pairs = zip(self.seconds[engine], self.seconds["ours"], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)


def main() -> None:
    """Measures and prints."""
    engines.prepare_peers()
    step("making the pictures")
    inputs = _pictures()
    rows = [Row(picture, _wanted(picture, specs)) for specs in _SETS for picture in inputs]
    core = max(os.sched_getaffinity(0))
    with contextlib.ExitStack() as held, progress() as bar:
        ours = held.enter_context(engines.ours(core))
        peers = [held.enter_context(engines.peer(name, core)) for name in (*PEERS, "floor")]
        task = bar.add_task("P1", total=len(rows))
        for row in rows:
            bar.update(task, description=f"{row.picture.name}, {len(row.wanted)} renditions")
            measure(row, [engine for engine in (ours, *peers) if engine.name != "floor" or _is_jpeg(row.picture)])
            bar.advance(task)
    show(
        "P1 render, one core: CPU ms, and how many times as long the others take",
        ("picture", "files", "ours ms", "vips each", "vips once", "Pillow once", "Pillow each", "floor ms", "ours/floor",
         "SSIM ours", "vips", "Pillow", "q82", "ceiling", "aim"),
        [_cells(row) for row in rows],
        (
            "ours includes thumbhash, colour, perceptual and pixel hash and Exif. each: a decode a file; once: one for all.",
            "Pillow each is thumbor's way, whose engine is Pillow. floor: libjpeg-turbo's decode alone.",
            "SSIM: the worst thumbnail, at JPEG quality 100, against LANCZOS from full size; q82: ours as delivered;",
            "ceiling: the reference itself as a JPEG of quality 82.",
            f"aim: every ratio > 1; three thumbnails of a JPEG ≤ {FLOOR_AIM} x floor; SSIM ≥ {QUALITY_AIM}",
        ),
    )  # fmt: skip


def measure(row: Row, running: Sequence[Engine]) -> None:
    """Lets ``running`` take turns; what comes before their first round warms them up."""
    references = _references(row)
    fine = [one | {"quality": _TOP_QUALITY} for one in row.wanted]
    for engine in running:
        engine.load(row.picture.data)
        engine.run(row.wanted)
        if engine.name == "ours":
            row.quality["delivered"] = _quality(references, engine.results())
        if engine.name != "floor":
            engine.run(fine)
            row.quality[engine.name] = _quality(references, engine.results())
    row.quality["ceiling"] = _quality(references, [_encoded(reference) for reference in references])
    spent = 0.0
    for number in range(_ROUNDS):
        turn = number % len(running)
        for engine in (*running[turn:], *running[:turn]):
            took = engine.run(row.wanted)
            row.seconds.setdefault(engine.name, []).append(took["cpu"])
            spent += took["wall"]
        if number + 1 >= _LEAST_ROUNDS and spent > _ROW_SECONDS:
            return


def _references(row: Row) -> list[Image.Image]:
    """The thumbnails by LANCZOS from the picture decoded whole; alpha on white. Thumbnails come first in ``wanted``."""
    whole: Image.Image = Image.open(io.BytesIO(row.picture.data))
    whole = whole.convert("RGBA") if "A" in whole.getbands() else whole.convert("RGB")
    references = []
    for one in row.wanted:
        if one["kind"] == "thumbnail":
            size = (one["width"], one["height"])
            reference = whole.resize(size, Image.Resampling.LANCZOS)
            if reference.mode == "RGBA":
                reference = Image.alpha_composite(Image.new("RGBA", size, "white"), reference)
            references.append(reference.convert("RGB"))
    return references


def _quality(references: Sequence[Image.Image], files: Sequence[bytes]) -> float:
    """The least SSIM of the thumbnails in ``files``."""
    made = (Image.open(io.BytesIO(data)).convert("RGB") for data in files[: len(references)])
    return min(ssim(np.asarray(one), np.asarray(other)) for one, other in zip(references, made, strict=True))


def _encoded(reference: Image.Image) -> bytes:
    return bytes(simplejpeg.encode_jpeg(np.asarray(reference), THUMBNAILS[0].quality, "RGB", "420"))


def _cells(row: Row) -> tuple[str, ...]:
    jpeg = "floor" in row.seconds
    over_floor = 1 / row.ratio("floor") if jpeg else 0.0
    met = all(row.ratio(name) > 1 for name in PEERS) and row.quality["ours"] >= QUALITY_AIM
    if len(row.wanted) == len(THUMBNAILS):
        met = met and over_floor <= FLOOR_AIM
    return (
        row.picture.name,
        str(len(row.wanted)),
        f"{row.median('ours'):.1f}",
        *(f"{row.ratio(name):.2f}x" for name in PEERS),
        f"{row.median('floor'):.1f}" if jpeg else "",
        f"{over_floor:.2f}x" if jpeg else "",
        *(f"{row.quality[name]:.3f}" for name in ("ours", "libvips", "pillow", "delivered", "ceiling")),
        verdict(met),
    )


def _wanted(picture: Picture, specs: Sequence[RenditionSpec]) -> list[dict[str, Any]]:
    """``specs`` as the sizes that they come to on ``picture``, so that every engine makes the same ones."""
    wanted = []
    for spec in specs:
        layout = lay_out(picture.width, picture.height, spec)
        wanted.append(asdict(spec) | {"width": layout.width, "height": layout.height})
    return wanted


def _pictures() -> list[Picture]:
    made = [Picture(name, make(), width, height) for name, make, width, height in _MADE]
    for path in (_PHOTOS / name for name in _FOUND):
        if path.exists():
            width, height = Image.open(path).size
            made.append(Picture(path.name, path.read_bytes(), width, height))
    return made


def _is_jpeg(picture: Picture) -> bool:
    return picture.data[:2] == b"\xff\xd8"

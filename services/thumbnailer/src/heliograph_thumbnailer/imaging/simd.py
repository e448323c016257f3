"""Chooses the resampler before anything imports PIL: pillow-simd for AVX2, else for SSE4, else Pillow.

Called once by the render child and by benchmarks (``load``). The builds come from ``scripts/build_simd.sh``. They hold
no codec: this module asserts so, because pillow-simd lacks the decoder fixes of current Pillow and no untrusted byte
may reach one of its parsers. Nothing else in Heliograph imports PIL except through here.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

VERSION = "12.1.1.post0"
FORBIDDEN = ("jpeg_decoder", "zip_decoder", "libtiff_decoder", "jpeg2k_decoder", "jpeg_encoder", "zip_encoder")
_FLAGS = (("avx2", "avx2"), ("sse4", "sse4_2"))  # folder, name of the flag in /proc/cpuinfo

log = logging.getLogger(__name__)


def choose(cpu_flags: frozenset[str], home: Path) -> Path | None:
    """The best built folder under ``home`` that a CPU with ``cpu_flags`` can run; ``None`` where there is none."""
    for folder, flag in _FLAGS:
        if flag in cpu_flags and (home / folder / "PIL").is_dir():
            return home / folder
    return None


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The flags of the first processor; empty where the kernel does not list them (not x86, not Linux)."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


@cache
def load() -> ModuleType:
    """The ``PIL.Image`` module to resample with.

    Raises ``RuntimeError`` where another PIL was imported before, or the build holds codecs: build it again.
    """
    # Image memory comes in blocks of 16 MB; kept ones save the page faults of the next picture.
    os.environ.setdefault("PILLOW_BLOCKS_MAX", "8")
    folder = choose(cpu_flags(), home())
    if folder is None:
        log.warning("pillow-simd not installed, using pillow: slower; build it with scripts/build_simd.sh")
        return _import()
    if "PIL" in sys.modules:
        raise RuntimeError(
            "PIL was imported before the resampler was chosen: import heliograph_thumbnailer.imaging.simd first"
        )
    sys.path.insert(0, str(folder))
    try:
        image = _import()
    finally:
        sys.path.remove(str(folder))
    _verify(image)
    return image


def home() -> Path:
    """Where ``scripts/build_simd.sh`` puts its builds in this environment."""
    return Path(sys.prefix) / "lib" / "heliograph-simd"


def _import() -> ModuleType:
    # Image imports ImageFile when it first hands out bytes, which a confined process could no longer do.
    importlib.import_module("PIL.ImageFile")
    return importlib.import_module("PIL.Image")


def _verify(image: ModuleType) -> None:
    version = importlib.import_module("PIL").__version__
    if version != VERSION:
        raise RuntimeError(f"the resampler is version {version}, not {VERSION}: run scripts/build_simd.sh again")
    codecs = [name for name in FORBIDDEN if hasattr(image.core, name)]
    if codecs:
        raise RuntimeError(f"the resampler was built with {', '.join(codecs)}: run scripts/build_simd.sh again")
    # What compiles in regardless (GIF, PCX, TGA … readers) goes too; "raw" is the copy of a buffer, not a parser.
    for name in [name for name in vars(image.core) if name.endswith(("_decoder", "_encoder"))]:
        if name not in {"raw_decoder", "raw_encoder"}:
            delattr(image.core, name)

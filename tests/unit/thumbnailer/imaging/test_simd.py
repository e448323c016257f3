"""The resampler: chosen by the CPU, without any codec, and Pillow where it was not built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from heliograph_thumbnailer.imaging import simd

CODECS = ("jpg", "zlib", "libtiff", "jpg_2000", "webp", "avif")
built = pytest.mark.skipif(
    not (simd.home() / "avx2").is_dir(), reason="pillow-simd is not on this machine: it has no compiler"
)


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


@built
@pytest.mark.parametrize("folder", ["avx2", "sse4"])
def test_no_codec_is_built_in(folder: str) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(simd.home() / folder)!r})
from PIL import Image, features
print(features.version("pil"), [name for name in {CODECS!r} if features.check(name)], Image.core.__file__)
"""
    version, found, file = _python(code).split(" ", 2)
    assert (version, found) == (simd.VERSION, "[]")
    assert folder in file


@built
def test_no_parser_is_left_after_loading() -> None:
    code = """
from heliograph_thumbnailer.imaging import simd
image = simd.load()
print(sorted(name for name in vars(image.core) if name.endswith("_decoder")))
"""
    assert _python(code) == "['raw_decoder']"


@built
def test_a_file_cannot_be_opened() -> None:
    code = """
import io
from heliograph_thumbnailer.imaging import simd
image = simd.load()
try:
    image.open(io.BytesIO(b"GIF89a" + bytes(100)))
except (OSError, ImportError) as error:
    print("refused")
"""
    assert _python(code) == "refused"


@built
@pytest.mark.skipif("avx2" not in simd.cpu_flags(), reason="AVX2 is not on this machine")
def test_avx2_is_chosen_on_this_machine() -> None:
    code = "from heliograph_thumbnailer.imaging import simd; print(simd.load().core.__file__)"
    assert "/heliograph-simd/avx2/" in _python(code)


def test_choice_by_flags(tmp_path: Path) -> None:
    assert simd.choose(frozenset({"avx2", "sse4_2"}), tmp_path) is None
    (tmp_path / "sse4" / "PIL").mkdir(parents=True)
    assert simd.choose(frozenset({"avx2", "sse4_2"}), tmp_path) == tmp_path / "sse4"
    (tmp_path / "avx2" / "PIL").mkdir(parents=True)
    assert simd.choose(frozenset({"avx2", "sse4_2"}), tmp_path) == tmp_path / "avx2"
    assert simd.choose(frozenset({"sse4_2"}), tmp_path) == tmp_path / "sse4"
    assert simd.choose(frozenset({"neon"}), tmp_path) is None


def test_flags_are_read(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu sse4_2 avx2\n")
    assert simd.cpu_flags(tmp_path / "cpuinfo") == {"fpu", "sse4_2", "avx2"}
    assert simd.cpu_flags(tmp_path / "absent") == frozenset()


def test_pillow_stands_in() -> None:
    code = """
import logging, pathlib, sys
logging.basicConfig(stream=sys.stdout, format="%(message)s")
from heliograph_thumbnailer.imaging import simd
simd.home = lambda: pathlib.Path("/nonexistent")
image = simd.load(); simd.load()
print(image.new("L", (8, 8)).resize((4, 4), image.Resampling.LANCZOS).size)
"""
    said, size = _python(code).splitlines()
    assert "build it with scripts/build_simd.sh" in said
    assert size == "(4, 4)"


@built
def test_another_pil_before_is_refused() -> None:
    code = """
import PIL
from heliograph_thumbnailer.imaging import simd
try:
    simd.load()
except RuntimeError as error:
    print("imported before" in str(error))
"""
    assert _python(code) == "True"

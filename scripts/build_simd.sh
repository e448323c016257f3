#!/usr/bin/env bash
# Builds the resampler: pillow-simd with every codec off, once for AVX2 and once for SSE4, each into its own folder
# VENV/lib/heliograph-simd/{avx2,sse4}, where neither collides with the Pillow of site-packages. The thumbnailer's
# simd.py picks one at start. Without a compiler it says so and ends well: Pillow's resampler then stands in.
#
#   scripts/build_simd.sh VENV        HELIOGRAPH_REQUIRE_SIMD=1 turns its absence into an error (CI, images)
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: scripts/build_simd.sh VENV" >&2; exit 2; }
venv=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
python=$venv/bin/python
home=$venv/lib/heliograph-simd
wanted=requirements/simd.txt
tools=requirements/simd-build.txt

stand_in() {
  echo "heliograph: pillow-simd not built, using Pillow's slower resampler: $1" >&2
  [ "${HELIOGRAPH_REQUIRE_SIMD:-0}" = 1 ] && exit 1
  exit 0
}

want=$( { "$python" -VV; cat "$wanted" "$tools" scripts/build_simd.sh; } | sha256sum | cut -d' ' -f1)
[ -f "$home/.stamp" ] && [ "$(cat "$home/.stamp")" = "$want" ] && exit 0

[ "$(uname -m)" = x86_64 ] || stand_in "it supports x86-64 only, this machine is $(uname -m)"
command -v cc >/dev/null || stand_in "no C compiler; install one: apt-get install gcc python3-dev"
header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
[ -f "$header" ] || stand_in "Python.h is missing; install it: apt-get install gcc python3-dev"

echo "heliograph: building the resampler (once; about half a minute)"
rm -rf "$home"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
install=("$venv/bin/uv" pip install --quiet --no-cache --python "$python" --no-deps --require-hashes)
"${install[@]}" --only-binary :all: --target "$work/tools" -r "$tools"

codecs=()
for codec in zlib jpeg tiff freetype raqm lcms webp jpeg2000 imagequant xcb avif; do
  codecs+=(--config-setting "$codec=disable")
done

# Everything that could open a file goes: what stays is the memory of an image and its resampling.
keep='__init__|_version|Image|ImageFile|ImageMode|ImagePalette|ExifTags|TiffTags|features|_binary|_deprecate|_typing|_util'
build() { # build NAME FLAG
  # --no-cache, because a cache knows the codecs but not the compiler's flag; --no-build-isolation keeps to the hashed tools.
  CC="cc $2" PYTHONPATH=$work/tools "${install[@]}" --no-binary pillow-simd --no-build-isolation \
    "${codecs[@]}" --target "$work/$1" -r "$wanted" >"$work/$1.log" 2>&1 ||
    { tail -n 30 "$work/$1.log" >&2; return 1; }
  find "$work/$1/PIL" -mindepth 1 -maxdepth 1 ! -name '_imaging.*.so' -printf '%f\n' |
    grep -vE "^($keep)\.py$" | while read -r extra; do rm -rf "$work/$1/PIL/$extra"; done
}
build avx2 -mavx2 & avx2=$!
build sse4 -msse4 & sse4=$!
built=1
wait "$avx2" || built=0
wait "$sse4" || built=0
[ "$built" = 1 ] || stand_in "the compiler failed (see the output above)"

mkdir -p "$home"
cp -r "$work/avx2" "$work/sse4" "$home/"
echo "$want" >"$home/.stamp"

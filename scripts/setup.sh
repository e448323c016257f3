#!/usr/bin/env bash
# Prepares .venv from the hashed requirement files. Runs again only when one of its inputs changed.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

fail() { printf 'heliograph: %s\n' "$1" >&2; exit 1; }

command -v "$python" >/dev/null || fail "Python 3.11 or newer is missing; install it: apt-get install python3 python3-venv"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" -V) is too old; install Python 3.11 or newer and run: make PYTHON=python3.11 ${1:-up}"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
  fail "Python's venv module is missing; install it: apt-get install python3-venv"

stamp=.venv/.stamp
inputs=(requirements/*.txt libs/*/pyproject.toml services/*/pyproject.toml scripts/setup.sh scripts/build_simd.sh)
want=$( { "$python" -V; cat "${inputs[@]}"; } | sha256sum | cut -d' ' -f1)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && exit 0

echo "heliograph: preparing .venv (once; about a minute)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
.venv/bin/uv pip sync --quiet --compile-bytecode --python .venv/bin/python --require-hashes requirements/dev.txt requirements/uv.txt
members=()
for member in libs/* services/*; do [ -f "$member/pyproject.toml" ] && members+=(-e "$member"); done
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation "${members[@]}"
scripts/build_simd.sh .venv
echo "$want" >"$stamp"

#!/usr/bin/env bash
# Writes requirements/*.txt again from the pyproject files: hashed, for all platforms, without addresses.
# Pins that still fit stay as they are; --upgrade takes the newest. --check changes nothing and fails on a difference.
set -euo pipefail
cd "$(dirname "$0")/.."
check=false
upgrade=()
for argument in "$@"; do
  case $argument in
    --check) check=true ;;
    --upgrade) upgrade=(--upgrade) ;;
    *) echo "usage: scripts/lock.sh [--check] [--upgrade]" >&2; exit 2 ;;
  esac
done

projects=(libs/*/pyproject.toml services/*/pyproject.toml)
members=()
for file in "${projects[@]}"; do
  members+=(--no-emit-package "$(sed -n 's/^name = "\(.*\)"/\1/p' "$file" | head -1)")
done

out=requirements
if $check; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
  cp requirements/*.txt "$out"
fi

compile() { # OUTPUT SOURCE…
  local output=$1
  shift
  .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-annotate --no-header "${upgrade[@]}" "${members[@]}" "$@" -o "$out/$output"
}

compile dev.txt pyproject.toml "${projects[@]}" --group dev
for service in services/*/; do
  compile "$(basename "$service").txt" "${service}pyproject.toml"
done

if $check && ! diff -r requirements "$out" >/dev/null; then
  diff -r requirements "$out" | head -20 >&2
  echo "requirements/ does not fit the pyproject files; run: make lock" >&2
  exit 1
fi

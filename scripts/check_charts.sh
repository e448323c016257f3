#!/usr/bin/env bash
# Checks the charts and skaffold.yaml: generated files, helm lint (3 and 4), every example against the schemas of several
# Kubernetes versions, unit tests. What a missing program keeps it from is told in one line each, and is no failure.
#
#   scripts/check_charts.sh       with helm, helm4, kubeconform and promtool from the PATH, or the lab's
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
lab=../shared/lab/lab
if [ -x "$lab" ] && ! command -v helm >/dev/null; then
  eval "$("$lab" env)"
fi
skip() { echo "charts: skipped: $1"; }

$python scripts/chart_values.py --check
$python scripts/chart_dashboards.py --check

# Anything named latest means something else tomorrow.
if grep -rnE '(:latest|tag: *"?latest"?)' charts k8s skaffold.yaml services/*/Dockerfile --include='*' |
  grep -v 'hasSuffix\|guards.tpl\|which means something else'; then
  echo "charts: an image has the tag latest: name a version" >&2
  exit 1
fi

$python -m pytest -q tests/architecture/test_skaffold.py

command -v helm >/dev/null || { skip "all that needs helm, which is not on the PATH"; exit 0; }

# RELEASE CHART VALUES…: what people install.
examples=(
  "heliograph-stack charts/heliograph-stack"
  "heliograph charts/heliograph -f k8s/trial.yaml"
  "heliograph charts/heliograph -f k8s/trial.yaml -f k8s/dev.yaml"
  "heliograph charts/heliograph -f k8s/trial.yaml -f k8s/ingress.yaml"
  "heliograph charts/heliograph -f k8s/production.yaml"
)
rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT

for helm in helm helm4; do
  command -v "$helm" >/dev/null || { skip "$helm is not on the PATH"; continue; }
  for number in "${!examples[@]}"; do
    read -r release chart values <<<"${examples[$number]}"
    # shellcheck disable=SC2086
    "$helm" lint --strict --quiet "$chart" $values
    # shellcheck disable=SC2086
    "$helm" template "$release" "$chart" $values >"$rendered/$helm-$number.yaml"
  done
done

cp k8s/verify.yaml "$rendered"

if command -v kubeconform >/dev/null; then
  $python scripts/kubernetes_schemas.py
  conform() { # FOLDER OPTION…
    echo "charts: against the schemas in $1"
    kubeconform -strict -summary -schema-location "$1/{{.ResourceKind}}{{.KindSuffix}}.json" "${@:2}" "$rendered"/*.yaml
  }
  labs=${XDG_CACHE_HOME:-$HOME/.cache}/heliograph-lab/schemas
  if compgen -G 'build/schemas/*/' >/dev/null; then
    for schemas in build/schemas/*; do conform "$schemas"; done
  elif [ -d "$labs" ]; then
    conform "$labs" -ignore-missing-schemas # it knows no kinds of others
  else
    skip "kubeconform: no schemas, and no Go to make some"
  fi
else
  skip "kubeconform is not on the PATH"
fi

if command -v promtool >/dev/null; then
  for file in "$rendered"/*.yaml; do
    $python - "$file" <<'PYTHON' >"$rendered/rules.yml"
import sys, yaml
rules = [o["spec"] for o in yaml.safe_load_all(open(sys.argv[1])) if o and o["kind"] == "PrometheusRule"]
print(yaml.safe_dump({"groups": [group for spec in rules for group in spec["groups"]]}))
PYTHON
    promtool check rules "$rendered/rules.yml" >/dev/null
  done
else
  skip "promtool is not on the PATH"
fi

$python -m pytest -q -n auto tests/charts

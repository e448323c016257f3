#!/usr/bin/env bash
# Checks what GitHub and pre-commit read against their schemas, which come with check-jsonschema: no network.
set -euo pipefail
cd "$(dirname "$0")/.."
conform() { # SCHEMA FILE…
  .venv/bin/check-jsonschema --quiet --builtin-schema "vendor.$1" "${@:2}"
}

conform github-workflows .github/workflows/*.yml
conform github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
conform github-issue-config .github/ISSUE_TEMPLATE/config.yml
conform dependabot .github/dependabot.yml
.venv/bin/pre-commit validate-config

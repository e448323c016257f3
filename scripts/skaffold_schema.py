"""Writes skaffold's JSON schema for the apiVersion of skaffold.yaml, without its prose: tests/architecture/skaffold/.

    python -m scripts.skaffold_schema VERSION

VERSION is a release of skaffold such as v2.16.1. Takes Go and its module proxy; the result is committed, so that nobody else
needs either.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml
from scripts.kubernetes_schemas import module

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tests" / "architecture" / "skaffold"
MODULE = "github.com/GoogleContainerTools/skaffold/v2"
_PROSE = ("description", "x-intellij-html-description", "examples", "default")


def without_prose(schema: Any) -> Any:
    """The schema without what only people read; a property that has such a name is an object, and stays."""
    if isinstance(schema, list):
        return [without_prose(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: without_prose(value) for key, value in schema.items() if key not in _PROSE or isinstance(value, dict)}


def main() -> int:
    """Writes the file."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    version = yaml.safe_load((ROOT / "skaffold.yaml").read_text(encoding="utf-8"))["apiVersion"].rpartition("/")[2]
    published = module(f"{MODULE}@{sys.argv[1]}") / "docs-v2" / "content" / "en" / "schemas" / f"{version}.json"
    schema = without_prose(json.loads(published.read_text(encoding="utf-8")))
    (FOLDER / f"{version}.json").write_text(json.dumps(schema, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

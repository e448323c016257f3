"""Writes the JSON schemas that kubeconform checks the charts with, one folder a Kubernetes version: build/schemas/VERSION.

    python scripts/kubernetes_schemas.py [VERSION…]

Everything comes out of published Go modules, so it takes Go and its module proxy and no other network: the types of
Kubernetes from the OpenAPI document in k8s.io/kubernetes, HTTPRoute, PodMonitor and PrometheusRule from the CRDs of their
projects, StreamScaler from the chart's own. Unknown fields are forbidden, as the API server's strict validation does.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "build" / "schemas"
OWN = "charts/heliograph/crds/*.yaml"
VERSIONS = ("1.30.14", "1.32.9", "1.34.4")
"""The oldest that Chart.yaml allows, one between, and that of the lab."""
CRDS = {
    "sigs.k8s.io/gateway-api@v1.4.0": "config/crd/standard/*_httproutes.yaml",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd/*_{}.yaml",
}
CRD_NAMES = ("podmonitors", "prometheusrules")

Schema = dict[str, Any]
_KEPT = ("type", "enum", "required", "minimum", "maximum", "pattern", "minLength", "maxLength", "minItems", "maxItems")
_TEXT_OR_NUMBER: Schema = {"oneOf": [{"type": "string"}, {"type": "number"}]}


def module(name: str) -> Path:
    """The folder of a Go module at a version, downloaded where needed."""
    done = subprocess.run(
        ["go", "mod", "download", "-json", name], capture_output=True, text=True, check=False, cwd="/"
    )
    if done.returncode:
        sys.exit(f"{name} cannot be downloaded: {done.stdout or done.stderr}")
    return Path(json.loads(done.stdout)["Dir"])


def strict(schema: Schema) -> Schema:
    """From OpenAPI to a JSON schema that forbids unknown fields and takes null for a field that may be left out."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _TEXT_OR_NUMBER if name.endswith((".IntOrString", ".Quantity")) else {"$ref": f"#/definitions/{name}"}
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return _TEXT_OR_NUMBER
    made: Schema = {key: value for key, value in schema.items() if key in _KEPT}
    if "properties" in schema:
        made["properties"] = {key: strict(value) for key, value in schema["properties"].items()}
        for key, value in made["properties"].items():
            if isinstance(value.get("type"), str) and key not in schema.get("required", ()) and "enum" not in value:
                value["type"] = [value["type"], "null"]
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made["additionalProperties"] = False
    if isinstance(schema.get("additionalProperties"), dict):
        made["additionalProperties"] = strict(schema["additionalProperties"])
    if "items" in schema:
        made["items"] = strict(schema["items"])
    return made


def builtin(swagger: Schema) -> Iterator[tuple[str, Schema]]:
    """File name and schema of every kind in Kubernetes' own document."""
    definitions = {name: strict(schema) for name, schema in swagger["definitions"].items()}
    for name, schema in swagger["definitions"].items():
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        if len(kinds) == 1:  # options and the like are in every group
            whole = {**definitions[name], "definitions": _needed(name, definitions)}
            yield _file(**kinds[0]), whole


def _needed(name: str, definitions: dict[str, Schema]) -> dict[str, Schema]:
    """The definitions that one of them refers to, directly or not."""
    found: dict[str, Schema] = {}
    open_names = [name]
    while open_names:
        text = json.dumps(definitions[open_names.pop()])
        for part in text.split('"#/definitions/')[1:]:
            reference = part.partition('"')[0]
            if reference not in found:
                found[reference] = definitions[reference]
                open_names.append(reference)
    return found


def custom(path: Path) -> Iterator[tuple[str, Schema]]:
    """File name and schema of every version in a CRD."""
    crd = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
    for version in crd["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        yield _file(crd["group"], crd["names"]["kind"], version["name"]), schema


def _file(group: str, kind: str, version: str) -> str:
    parts = (kind.lower(), group.split(".", maxsplit=1)[0].lower(), version.lower())
    return "-".join(filter(None, parts)) + ".json"


def _write(folder: Path, schemas: Iterable[tuple[str, Schema]]) -> None:
    for name, schema in schemas:
        (folder / name).write_text(json.dumps(schema))


def main() -> int:
    """Writes the folders of the versions asked for, or of all."""
    if shutil.which("go") is None:
        print("schemas: not written: Go is not on the PATH")
        return 0
    extra = [
        found
        for name, pattern in CRDS.items()
        for crd in (CRD_NAMES if "{}" in pattern else ("",))
        for path in sorted(module(name).glob(pattern.format(crd)))
        for found in custom(path)
    ]
    own = [found for path in sorted(ROOT.glob(OWN)) for found in custom(path)]
    for version in sys.argv[1:] or VERSIONS:
        folder = FOLDER / version
        if folder.exists():
            _write(folder, own)  # which change with the checkout
            continue
        swagger = json.loads((module(f"k8s.io/kubernetes@v{version}") / "api/openapi-spec/swagger.json").read_text())
        made = [*builtin(swagger), *extra, *own]
        folder.mkdir(parents=True)
        _write(folder, made)
        print(f"schemas: {len(made)} of Kubernetes {version} in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

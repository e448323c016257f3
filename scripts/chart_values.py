"""Writes each chart's values.schema.json, and the table of values in its README.md, from the comments of values.yaml; the
table of components there comes from components/, where each component of the product has a file.

    python scripts/chart_values.py [--check]

A key's explanation is the comment above it. What stands in braces at the comment's end is the key's type where the default
does not tell it: ``{a|b}`` (one of), ``{integer 1..5}``, ``{number >0}``, ``{integer|null}``, ``{list of objects}``. An
empty map takes any keys; any other map takes those that values.yaml has and no others. A key that is nearly one of them is
refused with a question: did you mean …?
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
CHARTS = ("heliograph", "heliograph-stack")
COMPONENTS = ROOT / "charts/heliograph/components"
SERVERS = {
    "postgres": "PostgreSQL",
    "nats": "NATS",
    "s3": "S3",
    "auth": "the issuer's keys",
    "kubernetes": "the Kubernetes API",
}
FREE = ("podSecurityContext", "securityContext", "resources", "labels")
"""Maps whose defaults are Kubernetes' own words, so that any other of its words fits too."""

_KEY = re.compile(r"^( *)([A-Za-z0-9]+):(.*)$")
_TYPE = re.compile(r"\s*\{([^{}]+)\}$")
_BOUND = re.compile(r"(integer|number)(?: (?:(>=?)(\d+)|(\d+)\.\.(\d+)))?$")

Schema = dict[str, Any]


@dataclass(frozen=True)
class Key:
    """One key of values.yaml: its path, explanation, the type in braces (or ""), and its default."""

    path: tuple[str, ...]
    text: str
    type: str
    default: Any


@dataclass(frozen=True)
class Component:
    """What the chart says of a component: its name, what it connects to (``SERVERS``), whether clients call it, and whether
    it connects to public addresses."""

    name: str
    needs: tuple[str, ...]
    clients: bool
    internet: bool


def components(folder: Path = COMPONENTS) -> list[Component]:
    """The components of the product, by name. templates/_components.tpl says what their files hold."""
    read = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yaml"))}
    return [
        Component(name, tuple(facts["needs"]), facts.get("clients", False), "internet" in facts)
        for name, facts in read.items()
    ]


def keys(source: str) -> Iterator[Key]:
    """Every key of a values.yaml that is explained or has explained keys below it, in order.

    Raises ``ValueError`` for a leaf without an explanation.
    """
    values = yaml.safe_load(source)
    path: list[str] = []
    comment: list[str] = []
    skip = -1
    for line in source.splitlines():
        stripped = line.strip()
        found = _KEY.match(line)
        indent = len(line) - len(line.lstrip())
        if stripped.startswith("#"):
            comment.append(stripped.removeprefix("#").strip())
        elif found is None or (0 <= skip < indent):
            comment = []
        else:
            path = [*path[: indent // 2], found[2]]
            default = _at(values, path)
            text = " ".join(comment)
            kind = _TYPE.search(text)
            leaf = bool(found[3].strip()) or found[2] in FREE or not isinstance(default, dict)
            if leaf and not comment:
                raise ValueError(f"{'.'.join(path)} has no explanation")
            skip = indent if leaf else -1
            yield Key(tuple(path), _TYPE.sub("", text), kind[1] if kind else "", default)
            comment = []


def _at(values: Any, path: list[str]) -> Any:
    for part in path:
        values = values[part]
    return values


def schema_of(found: list[Key]) -> Schema:
    """The JSON schema (draft 7, which all versions of Helm know) of a chart's values."""
    schema: Schema = {"type": "object", "properties": {}}
    for key in found:
        parent = schema
        for part in key.path[:-1]:
            parent = parent["properties"][part]
        parent["properties"][key.path[-1]] = _leaf(key) | ({"description": key.text} if key.text else {})
    for name in [component.name for component in components()] if "defaults" in schema["properties"] else ():
        if name not in schema["properties"]:
            raise ValueError(f"{name} has a file in components/ and no section in values.yaml")
        own = schema["properties"][name]["properties"]
        shared = json.loads(json.dumps(schema["properties"]["defaults"]["properties"]))
        schema["properties"][name]["properties"] = {**shared, **own}
    schema["properties"]["global"] = {"type": "object", "description": "Helm's own, for parent charts; not used."}
    _close(schema)
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}


def _leaf(key: Key) -> Schema:
    """The schema of one key, without its explanation."""
    if key.type:
        parts = [_named(part) for part in key.type.split("|")]
        words = [part["const"] for part in parts if "const" in part]
        if words:
            return {"enum": words}
        if len(parts) == 1:
            return parts[0]
        merged: Schema = {"type": [part.pop("type") for part in parts]}
        for part in parts:
            merged |= part
        return merged
    if isinstance(key.default, dict):
        open_map = not key.default or key.path[-1] in FREE
        return {"type": "object"} if open_map else {"type": "object", "properties": {}}
    if isinstance(key.default, list):
        return {"type": "array", "items": {"type": "object" if key.default else "string"}}
    for python, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string")):
        if isinstance(key.default, python):
            return {"type": name}
    raise ValueError(f"{'.'.join(key.path)}: say its type in braces")


def _named(word: str) -> Schema:
    """The schema of one alternative in braces."""
    bound = _BOUND.match(word)
    if bound:
        schema: Schema = {"type": bound[1]}
        if bound[2]:
            schema["minimum" if bound[2] == ">=" else "exclusiveMinimum"] = int(bound[3])
        if bound[4]:
            schema |= {"minimum": int(bound[4]), "maximum": int(bound[5])}
        return schema
    listed = {"objects": {"type": "object"}, "strings": {"type": "string"}, "integers": {"type": "integer"}, "any": {}}
    if word.startswith("list of "):
        return {"type": "array", "items": listed[word.removeprefix("list of ")]}
    return {"type": word} if word in {"string", "boolean", "null", "object"} else {"const": word}


def _close(schema: Schema) -> None:
    """Forbids unknown keys at every level, naming what was meant where that can be guessed."""
    properties = schema.get("properties")
    if properties is None:
        return
    schema["additionalProperties"] = False
    hints = {pattern: {"const": f"unknown key, did you mean {name}?"} for name, pattern in nearby(list(properties))}
    if hints:
        schema["patternProperties"] = hints
    for part in properties.values():
        _close(part)


def nearby(names: list[str]) -> Iterator[tuple[str, str]]:
    """For each name a regular expression of what is nearly it, and is none of the names: one letter wrong, missing, too many
    or swapped with its neighbour, another case, another end. RE2 and ECMA 262 alike."""
    for name in names:
        cut = max(4, (len(name) * 3 + 4) // 5)
        tries = [*_slips(name, cut), *_cases(name)]
        tries += [f"{re.escape(name[:end])}([^{re.escape(name[end])}].*)?" for end in range(cut, len(name))]
        tries += [f"{name}.+"] if len(name) >= 4 else []
        good = [one for one in dict.fromkeys(tries) if not any(re.fullmatch(one, other) for other in names)]
        if good:
            yield name, f"^({'|'.join(good)})$"


def _slips(name: str, cut: int) -> Iterator[str]:
    """One slip among the first ``cut`` letters; later ones are another end of the name."""
    if len(name) < 3:
        return
    for at in range(min(cut, len(name))):
        yield f"{name[:at]}[^{name[at]}]?{name[at + 1 :]}"
        yield f"{name[:at]}.{name[at:]}"
        if at + 1 < len(name):
            yield name[:at] + name[at + 1] + name[at] + name[at + 2 :]


def _cases(name: str) -> Iterator[str]:
    """The name as other tools write it: ExistingSecret, existingsecret, existing_secret, existing-secret."""
    words = re.findall(r"[a-z0-9]+|[A-Z][a-z0-9]*", name)
    yield from (name[0].upper() + name[1:], name.lower(), "_".join(words).lower(), "-".join(words).lower())


def table(found: list[Key]) -> str:
    """The values as a Markdown table."""
    rows = ["| Key | Default | What it is |", "| --- | --- | --- |"]
    for key in found:
        if isinstance(key.default, dict) and _leaf(key).get("properties") is not None:
            if key.text:
                rows.append(f"| **`{'.'.join(key.path)}`** | | {key.text} |")
            continue
        choices = f" One of `{key.type.replace('|', '`, `')}`." if "enum" in _leaf(key) else ""
        default = json.dumps(key.default).replace("|", "\\|")
        rows.append(f"| `{'.'.join(key.path)}` | `{default}` | {key.text}{choices} |")
    return "\n".join(rows) + "\n"


def component_rows(found: list[Key]) -> str:
    """The components as the rows of a Markdown table. ``found`` are the keys of the product's values.yaml."""
    optional = {"autoscaling": "HorizontalPodAutoscaler", "scaler": "StreamScaler"}
    has = {key.path for key in found}
    rows = ["| Component | Objects | Talks to |", "| --- | --- | --- |"]
    for component in components():
        objects = ["Deployment", *(["Service"] if component.clients else []), "PodDisruptionBudget"]
        objects += ["Role", "RoleBinding", "Lease"] if "kubernetes" in component.needs else []
        objects += [f"optional {kind}" for part, kind in optional.items() if (component.name, part) in has]
        needs = [SERVERS[need] for need in component.needs] + ["public addresses"] * component.internet
        rows.append(f"| {component.name} | {', '.join(objects)} | {', '.join(needs)} |")
    return "\n".join(rows) + "\n"


def _between(marker: str, content: str, text: str) -> str:
    """``text`` with ``content`` between its two comments of this name, where it has them."""
    part = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)", re.DOTALL)
    return part.sub(lambda found: f"{found[1]}{content}{found[2]}", text)


def main() -> int:
    """Writes, or with ``--check`` compares; 1 when something is not as it should be."""
    check = sys.argv[1:] == ["--check"]
    stale = []
    for chart in CHARTS:
        folder = ROOT / "charts" / chart
        found = list(keys((folder / "values.yaml").read_text(encoding="utf-8")))
        readme = folder / "README.md"
        text = readme.read_text(encoding="utf-8")
        written = {
            folder / "values.schema.json": json.dumps(schema_of(found), ensure_ascii=False, separators=(",", ":"))
            + "\n",
            readme: _between("components", component_rows(found), _between("values", table(found), text)),
        }
        for path, content in written.items():
            if path.exists() and path.read_text(encoding="utf-8") == content:
                continue
            stale.append(path.relative_to(ROOT))
            if not check:
                path.write_text(content, encoding="utf-8")
    if check and stale:
        print(f"{', '.join(map(str, stale))} do not fit values.yaml; run: make generate", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

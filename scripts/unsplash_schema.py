"""Writes the JSON schema that the double of Unsplash is held to, from the types in the vendor's own npm package.

    python -m scripts.unsplash_schema [--check]

Takes npm and its registry, of whatever address the machine has configured; the result is committed, so that nobody else
needs either. ``--check`` writes nothing and tells whether the committed file is what this makes. The package is of the
version and has the integrity hash that are named here. Objects forbid what their types do not name.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FILE = ROOT / "libs/local/src/heliograph_local/doubles/unsplash/schema.json"
PACKAGE, VERSION = "unsplash-js", "8.0.1"
INTEGRITY = "sha512-v/l8v/cF+EKv7jjDl7WF+BQ0Z6EixGOSid2TTkhq5Yn0YYL091N7Fb9r+RVCoP7yoEAHluQASsr6EdYNyqAfOQ=="
TYPES = "package/dist/gen/unsplash.d.mts"
NOTE = (
    f"The types of three calls, from {PACKAGE} {VERSION} (MIT License, Copyright (c) 2020 Unsplash), "
    f"{TYPES.removeprefix('package/')}. Written by scripts/unsplash_schema.py."
)
CALLS = {
    "search": "/search/photos",
    "photo": "/photos/{assetSlug}",
    "download": "/photos/{id}/download",
}
"""What the double calls each, and its path there."""

Schema = dict[str, Any]
_SECONDS = 120
_TOKEN = re.compile(
    r'\s*(?:/\*\*(?P<doc>.*?)\*/|(?P<text>"[^"]*")|(?P<word>[\w$]+)|(?P<sign>[{}()\[\]<>;:?|&,=.]))', re.DOTALL
)
_FORMAT = re.compile(r"Format: ([\w-]+)")
_SIMPLE: dict[str, Schema] = {
    **{name: {"type": name} for name in ("string", "number", "boolean", "null")},
    "never": {"not": {}},
    "unknown": {},
    "Record": {"type": "object", "properties": {}, "additionalProperties": False},
}


class Unreachable(Exception):
    """The package cannot be had here."""


class _Types:
    """A reader of the part of TypeScript that openapi-typescript writes: interfaces of object types, literals, unions,
    intersections, arrays and references by name. A type becomes a JSON schema; a reference stays one."""

    def __init__(self, text: str) -> None:
        self._tokens = [(str(found.lastgroup), found[found.lastgroup or 0]) for found in _TOKEN.finditer(text)]
        self._tokens += [("end", "")] * 2
        self._at = 0

    def interface(self, name: str) -> Schema:
        """The members of an interface, by their names."""
        for at, pair in enumerate(self._tokens):
            if pair == ("word", "interface") and self._tokens[at + 1] == ("word", name):
                self._at = at + 2
                return self._union()
        raise ValueError(f"there is no interface {name}")

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _peek(self) -> str:
        while self._tokens[self._at][0] == "doc":
            self._at += 1
        return self._tokens[self._at][1]

    def _took(self, sign: str) -> bool:
        if self._peek() != sign:
            return False
        self._at += 1
        return True

    def _need(self, sign: str) -> None:
        if not self._took(sign):
            raise ValueError(f"{sign} is expected before {self._tokens[self._at : self._at + 8]}")

    def _union(self) -> Schema:
        self._took("|")
        found = [self._intersection()]
        while self._took("|"):
            found.append(self._intersection())
        if len(found) == 1:
            return found[0]
        if all("const" in each for each in found):
            return {"enum": [each["const"] for each in found]}
        return {"anyOf": found}

    def _intersection(self) -> Schema:
        found = [self._array()]
        while self._took("&"):
            found.append(self._array())
        return found[0] if len(found) == 1 else {"allOf": found}

    def _array(self) -> Schema:
        found = self._single()
        while self._peek() == "[" and self._tokens[self._at + 1][1] == "]":
            self._at += 2
            found = {"type": "array", "items": found}
        return found

    def _single(self) -> Schema:
        if self._peek() == "{":
            return self._object()
        if self._took("("):
            found = self._union()
            self._need(")")
            return found
        kind = self._tokens[self._at][0]
        word = self._next()
        if kind == "text":
            return {"const": word.strip('"')}
        if kind != "word":
            raise ValueError(f"{word} is not understood")
        if word == "Record":  # of string and never: an object without anything
            self._need("<")
            while self._next() != ">":
                pass
        return dict(_SIMPLE[word]) if word in _SIMPLE else {"$ref": self._path(word)}

    def _path(self, first: str) -> str:
        """The parts of ``components["schemas"]["Asset.Basic"]``, one after another."""
        parts = [first]
        while self._peek() == "[" and self._tokens[self._at + 1][0] == "text":
            self._at += 1
            parts.append(self._next().strip('"'))
            self._need("]")
        return "/".join(parts)

    def _object(self) -> Schema:
        self._need("{")
        made: Schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
        while True:
            doc = ""
            while self._tokens[self._at][0] == "doc":
                doc = self._next()
            if self._took("}"):
                return made
            if self._took("["):  # of any name
                while self._next() != "]":
                    pass
                self._need(":")
                made["additionalProperties"] = self._union() or True
            else:
                self._member(made, doc)
            self._took(";")

    def _member(self, made: Schema, doc: str) -> None:
        name = self._next().strip('"')
        if not self._took("?"):
            made["required"].append(name)
        self._need(":")
        found = self._union()
        if form := _FORMAT.search(doc):
            found = {**found, "format": form[1]}
        made["properties"][name] = found


def package() -> str:
    """The text of the types, out of the package.

    Raises:
        Unreachable: there is no npm, or it cannot get the package.
        ValueError: it is not the package that is meant.
    """
    if shutil.which("npm") is None:
        raise Unreachable("npm is not on this machine")
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts", "--silent", "--pack-destination", folder]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise Unreachable("npm pack took too long") from error
        if done.returncode:
            raise Unreachable(f"npm pack failed with exit code {done.returncode}")
        [tarball] = Path(folder).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != INTEGRITY:
            raise ValueError(f"{PACKAGE} {VERSION} is not what it was: sha512-{digest}")
        with tarfile.open(tarball) as archive:
            member = archive.extractfile(TYPES)
            if member is None:
                raise ValueError(f"{PACKAGE} {VERSION} has no {TYPES}")
            return member.read().decode()


def schema(types: str) -> Schema:
    """The schema of the calls, with the definitions that they refer to."""
    reader = _Types(types)
    paths = reader.interface("paths")["properties"]
    whole = {"components": reader.interface("components")}
    calls = {name: _call(paths[path], whole) for name, path in CALLS.items()}
    needed: Schema = {}
    for name in _referred(calls):
        _define(name, whole, needed)
    return {
        "$comment": NOTE,
        "integrity": INTEGRITY,
        "calls": {name: {"path": CALLS[name], **call} for name, call in calls.items()},
        "$defs": dict(sorted(needed.items())),
    }


def _call(described: Schema, whole: Schema) -> Schema:
    get = described["properties"]["get"]["properties"]
    given, answers = get["parameters"]["properties"], get["responses"]["properties"]
    query = given["query"]
    nothing = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    good, bad = (_resolved(answers[status], whole)["properties"] for status in ("200", "default"))
    return {
        "query": _closed(nothing if query == {"not": {}} else query, whole),
        "headers": _closed(good["headers"], whole),
        "answer": _closed(good["content"]["properties"]["application/json"], whole),
        "error": _closed(bad["content"]["properties"]["application/json"], whole),
    }


def _resolved(found: Schema, whole: Schema) -> Schema:
    """What a reference stands for, at last."""
    while "$ref" in found:
        form = {key: value for key, value in found.items() if key != "$ref"}
        part: Any = whole
        for name in found["$ref"].split("/"):
            part = part.get("properties", part)[name]
        found = {**part, **form}
    return found


def _closed(found: Schema, whole: Schema) -> Schema:
    """The schema with each intersection of objects as one object, and references to components as those to definitions."""
    if "$ref" in found:
        path = found["$ref"].split("/")
        if path[1] != "schemas":  # parameters, headers and the like are named once or twice
            return _closed(_resolved(found, whole), whole)
        return {**found, "$ref": f"#/$defs/{path[2]}"}
    if "allOf" in found:
        return _closed(_joined([_resolved(each, whole) for each in found["allOf"]], whole), whole)
    made = dict(found)
    for key in ("anyOf", "items", "properties"):
        if isinstance(inner := found.get(key), list):
            made[key] = [_closed(each, whole) for each in inner]
        elif key == "items" and inner is not None:
            made[key] = _closed(inner, whole)
        elif inner is not None:
            made[key] = {name: _closed(each, whole) for name, each in inner.items()}
    return made


def _joined(objects: list[Schema], whole: Schema) -> Schema:
    made: Schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    for each in objects:
        flat = _joined([_resolved(inner, whole) for inner in each["allOf"]], whole) if "allOf" in each else each
        made["properties"].update(flat["properties"])
        made["required"] += [name for name in flat.get("required", []) if name not in made["required"]]
    return made


def _referred(found: Any) -> set[str]:
    return set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(found)))


def _define(name: str, whole: Schema, needed: Schema) -> None:
    """Adds a definition and those that it refers to."""
    if name in needed:
        return
    needed[name] = _closed(_resolved({"$ref": f"components/schemas/{name}"}, whole), whole)
    for inner in _referred(needed[name]):
        _define(inner, whole, needed)


def text(types: str) -> str:
    """The file."""
    return json.dumps(schema(types), indent=1) + "\n"


def main() -> int:
    """Writes the file, or tells whether it is as it should be."""
    parser = argparse.ArgumentParser(prog="python -m scripts.unsplash_schema", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the file would change")
    options = parser.parse_args()
    try:
        made = text(package())
    except Unreachable as error:
        print(f"unsplash schema: {error}", file=sys.stderr)
        return 2
    if options.check:
        same = FILE.read_text(encoding="utf-8") == made
        print(f"unsplash schema: {'up to date' if same else 'not what the package makes: run it without --check'}")
        return 0 if same else 1
    FILE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

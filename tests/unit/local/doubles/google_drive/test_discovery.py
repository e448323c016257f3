"""The checks that hold the double to Google's description, held to a JSON Schema validator of others."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from heliograph_local.doubles.google_drive.discovery import answer_faults, document, find, methods
from heliograph_local.doubles.google_drive.fields import parse, select
from heliograph_local.doubles.google_drive.tree import ANYONE, Tree


def strict(shape: Any) -> Any:
    """The description as JSON Schema that forbids whatever it does not name."""
    if isinstance(shape, list):
        return [strict(each) for each in shape]
    if not isinstance(shape, dict):
        return shape
    made = {name: strict(inner) for name, inner in shape.items() if name not in {"id", "default", "required"}}
    if "$ref" in shape and isinstance(shape["$ref"], str):
        return {"$ref": f"#/$defs/{shape['$ref']}"}
    if shape.get("type") == "object" and "additionalProperties" not in shape:
        made["additionalProperties"] = False
    return made


def schema(name: str) -> Mapping[str, Any]:
    """One of the schemas, with the others that it refers to."""
    schemas = document()["schemas"]
    defined = {each: strict({**shape, "properties": {}}) for each, shape in schemas.items()}
    for each, shape in schemas.items():  # "id" and "type" are names of properties too
        defined[each]["properties"] = {field: strict(inner) for field, inner in shape["properties"].items()}
    return {"$ref": f"#/$defs/{name}", "$defs": defined}


def resources() -> list[dict[str, Any]]:
    """One of each kind, as the double tells them."""
    tree = Tree()
    top = tree.folder("Top", shared=ANYONE, resource_key="0-a")
    drive = tree.shared_drive("Marketing")
    picture = tree.picture("one.jpg", drive)
    made = [top, drive, picture, tree.document("plan", top), tree.shortcut("link", top, picture)]
    return [item.resource() for item in made]


def test_what_the_double_tells_is_valid_to_both() -> None:
    validator = Draft202012Validator(schema("File"))
    for resource in resources():
        assert answer_faults("File", resource) == []
        assert list(validator.iter_errors(resource)) == []


@pytest.mark.parametrize(
    "spoil",
    [
        {"unknown": 1}, {"name": 1}, {"trashed": "no"}, {"parents": "x"}, {"parents": [1]}, {"capabilities": {"x": True}},
        {"shortcutDetails": {"targetId": 1}}, {"owners": [{"x": 1}]}, {"imageMediaMetadata": {"width": "1"}},
        {"imageMediaMetadata": {"location": {"latitude": "1"}}}, {"exportLinks": {"a": 1}}, {"name": None},
    ],
)  # fmt: skip
def test_what_is_wrong_is_wrong_to_both(spoil: dict[str, Any]) -> None:
    validator = Draft202012Validator(schema("File"))
    resource = {**copy.deepcopy(resources()[2]), **spoil}
    assert answer_faults("File", resource)
    assert list(validator.iter_errors(resource))


def test_every_schema_and_method_can_be_checked() -> None:
    for name in document()["schemas"]:
        assert answer_faults(name, {"there is no such": "field"})
    assert len({method.id for method in methods()}) == len(methods()) > 50
    for method in methods():
        assert list(method.faults([("there is no such", "parameter")]))


def test_methods_are_found_by_their_paths() -> None:
    found = find("GET", "files/abc")
    assert found is not None
    assert (found[0].id, found[1]) == ("drive.files.get", {"fileId": "abc"})
    listing = find("GET", "files")
    assert listing is not None
    assert listing[0].id == "drive.files.list"
    assert find("GET", "files/a/b/c/d/e") is None


@pytest.mark.parametrize(
    ("fields", "mask"),
    [
        ("id", {"id": None}),
        ("id, name", {"id": None, "name": None}),
        ("a/b/c,d", {"a": {"b": {"c": None}}, "d": None}),
        (
            "files(id,owners(me,name/first)),x",
            {"files": {"id": None, "owners": {"me": None, "name": {"first": None}}}, "x": None},
        ),
        ("files/id,files/name", {"files": {"id": None, "name": None}}),
        ("files(*)", {"files": {"*": None}}),
    ],
)
def test_selections(fields: str, mask: dict[str, Any]) -> None:
    assert parse(fields) == mask


@pytest.mark.parametrize("fields", ["", ",", "a,", "a(", "a(b", "a)b", "a/", "/a", "a b", "a()", "ä"])
def test_malformed_selections(fields: str) -> None:
    with pytest.raises(ValueError, match=r"missing|unexpected|not closed"):
        parse(fields)


def test_selecting() -> None:
    value = {"id": 1, "owners": [{"me": True, "name": "Ada"}], "more": {"a": 1, "b": 2}}
    assert select(value, parse("id,owners/name,absent")) == {"id": 1, "owners": [{"name": "Ada"}]}
    assert select(value, parse("*")) == value
    assert select(value, parse("*/a")) == {"id": 1, "owners": [{}], "more": {"a": 1}}

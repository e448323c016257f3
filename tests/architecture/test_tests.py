"""What the tests themselves keep to: helpers that others use stand in modules of their own, each under one name."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parents[1]
MODULES = {path.relative_to(TESTS): ast.parse(path.read_text(encoding="utf-8")) for path in TESTS.rglob("*.py")}


def imported(tree: ast.Module) -> set[str]:
    """The names of all modules that a module imports, and of whatever it imports from them."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{'.' * node.level}{node.module or ''}.{each.name}" for each in node.names}
    return found


def test_no_module_imports_from_a_test_module_or_a_conftest() -> None:
    """What several need stands in ``support.py`` of their folder, or in a module named after it."""
    taken = {
        f"{path}: {name}"
        for path, tree in MODULES.items()
        for name in imported(tree)
        if name.startswith(("tests.", "."))
        and any(part == "conftest" or part.startswith("test_") for part in name.split(".")[:-1])
    }
    assert taken == set()


def test_a_name_of_a_class_means_one_thing() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for path, tree in MODULES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path))
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def test_every_wait_for_time_to_pass_says_why() -> None:
    """Code that takes a clock is given one that the test moves; what nobody announces is awaited with ``tests.polling``.
    A loop may look again after a while. Programs of their own (chaos, conformance, e2e) live in real time."""
    bare = set()
    for path, tree in MODULES.items():
        lines = (TESTS / path).read_text(encoding="utf-8").splitlines()
        if path.parts[0] not in {"chaos", "conformance", "e2e"}:
            bare |= {f"{path}:{at}" for at in sleeps(tree) if "#" not in lines[at - 1] and "#" not in lines[at - 2]}
    assert bare == set()


def sleeps(tree: ast.AST) -> set[int]:
    """The lines of all sleeps that are longer than nothing and not part of a ``while``."""
    looped = {id(inner) for loop in ast.walk(tree) if isinstance(loop, ast.While) for inner in ast.walk(loop)}
    return {
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and id(node) not in looped
        if ast.unparse(node.func) in {"asyncio.sleep", "time.sleep"} and ast.unparse(node.args[0]) != "0"
    }

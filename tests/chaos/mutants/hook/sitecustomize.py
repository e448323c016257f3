"""Python imports this at its start where the folder is on ``PYTHONPATH``: it changes the module that the mutant names, as
soon as that is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any


def _load(path: str) -> Any:
    spec = spec_from_file_location("heliograph_chaos_mutant", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Finder(MetaPathFinder):
    def __init__(self, path: str) -> None:
        self._mutant = _load(path)

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._mutant.MODULE:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        assert spec is not None
        loader: Any = spec.loader
        execute = loader.exec_module

        def execute_and_mutate(module: ModuleType) -> None:
            execute(module)
            self._mutate(module)

        loader.exec_module = execute_and_mutate
        return spec

    def _mutate(self, module: ModuleType) -> None:
        self._mutant.mutate(module)
        sys.stderr.write(f"{module.__name__} is a mutant\n")


if _file := os.environ.get("HELIOGRAPH_CHAOS_MUTANT"):
    sys.meta_path.insert(0, _Finder(_file))

"""Contract types for ``.importlinter`` that list who may do something, so that a new package may do nothing until it is
listed. ``lint-imports`` reads both from here.

``packages``: which packages of ours a package may import; ``*`` stands for every package without a line of its own. ::

    allowed =
        heliograph_common:
        *: heliograph_common

``vendors``: which modules may import a package of others; ``*`` stands for any part of a name. A module's own modules may
too. ::

    vendors =
        minio: heliograph_common.blobs
        sqlalchemy: heliograph_common.db *.queries
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

OURS = "heliograph_"
"""What the names of our packages begin with, those included that are no root package of ``.importlinter``."""

_Rules = Mapping[str, tuple[str, ...]]


class _Rule(fields.Field[tuple[str, tuple[str, ...]]]):
    """``name: word word``."""

    def parse(self, raw_data: str | list[str]) -> tuple[str, tuple[str, ...]]:
        name, colon, words = str(raw_data).partition(":")
        if not colon:
            raise fields.ValidationError(f"{raw_data!r} has no colon: write `name: who may`")
        return name.strip(), tuple(words.split())


class _Allowing(Contract):
    """Finds direct imports that no line allows, and prints them with their lines."""

    def illegal(self, graph: ImportGraph) -> Iterable[tuple[str, str]]:
        """Importer and imported of each."""
        raise NotImplementedError

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        found = [
            f"{importer} -> {imported} (l.{detail['line_number']})"
            for importer, imported in sorted(self.illegal(graph))
            for detail in graph.get_import_details(importer=importer, imported=imported)
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for line in check.metadata["found"]:
            output.print_error(f"- {line}", bold=False)
        output.print("A package may import what .importlinter lists for it, and nothing else.")


class PackagesContract(_Allowing):
    """See the module."""

    type_name = "packages"
    allowed = fields.ListField(subfield=_Rule())

    def illegal(self, graph: ImportGraph) -> Iterable[tuple[str, str]]:
        """Imports of other packages of ours."""
        allowed: _Rules = dict(self.allowed)  # type: ignore[call-overload]
        for importer in sorted(graph.modules):
            if not importer.startswith(OURS) or graph.is_module_squashed(importer):
                continue
            package = _root(importer)
            may = {package, *allowed.get(package, allowed.get("*", ()))}
            for imported in graph.find_modules_directly_imported_by(importer):
                if imported.startswith(OURS) and _root(imported) not in may:
                    yield importer, imported


class VendorsContract(_Allowing):
    """See the module."""

    type_name = "vendors"
    vendors = fields.ListField(subfield=_Rule())

    def illegal(self, graph: ImportGraph) -> Iterable[tuple[str, str]]:
        """Imports of vendors."""
        vendors: _Rules = dict(self.vendors)  # type: ignore[call-overload]
        for vendor in vendors.keys() & graph.modules:
            for importer in graph.find_modules_that_directly_import(vendor):
                if not any(_within(importer, pattern) for pattern in vendors[vendor]):
                    yield importer, vendor


def _root(module: str) -> str:
    return module.partition(".")[0]


def _within(module: str, pattern: str) -> bool:
    return fnmatchcase(module, pattern) or fnmatchcase(module, f"{pattern}.*")

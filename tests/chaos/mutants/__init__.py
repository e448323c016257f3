"""Products that are broken on purpose, each in one place: a fault test that finds nothing in its mutants shows nothing.

Each file ``s<number of the test>_…<what is broken>.py`` is one mutant, with a ``MODULE`` and a ``mutate`` that changes that
module when a service has imported it, before anyone else uses it. ``hook/sitecustomize.py`` runs it in the services, which
inherit the variables that ``Mutant.environment`` has. What it changes must be there: else the services do not start, and the
test finds nothing either.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent
_NUMBER = re.compile(r"s(\d\d)_")


@dataclass(frozen=True)
class Mutant:
    """One broken product. ``numbers``: the fault tests that must find it; ``what``: what is wrong with it."""

    name: str
    numbers: frozenset[int]
    what: str
    file: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """What the processes of the services must inherit."""
        path = [str(_FOLDER / "hook"), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {"HELIOGRAPH_CHAOS_MUTANT": str(self.file), "PYTHONPATH": os.pathsep.join(path)}


def mutants(number: int) -> list[Mutant]:
    """Those that fault test ``number`` must find."""
    return [mutant for mutant in map(_mutant, sorted(_FOLDER.glob("s[0-9][0-9]_*.py"))) if number in mutant.numbers]


def _mutant(file: Path) -> Mutant:
    what = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return Mutant(file.stem, frozenset(map(int, _NUMBER.findall(file.stem))), " ".join(what.split()), file)

"""Mutants reach the processes of the services, and only those."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.chaos.__main__ import SCENARIOS
from tests.chaos.mutants import mutants


def test_a_mutant_changes_the_module_before_anyone_uses_it() -> None:
    mutant = next(each for each in mutants(17) if each.name == "s17_an_object_is_the_server")
    code = "import heliograph_common.blobs.minio as m; print(m.MinioBlobs._call.__name__)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **mutant.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "undiscerning"
    assert "is a mutant" in run.stderr


def test_each_mutant_says_what_is_wrong_and_belongs_to_tests() -> None:
    known = {scenario.NUMBER for scenario in SCENARIOS} | set(range(12, 17))
    found = {mutant.name: mutant for number in known for mutant in mutants(number)}
    assert found
    for mutant in found.values():
        assert mutant.what.endswith(".")
        assert mutant.numbers <= known

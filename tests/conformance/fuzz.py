"""Schemathesis over every operation of the live document, as a reader, a writer and an administrator.

All its checks are on, and one of ours (``fuzz_hooks``); every exception is an ``Excuse``. Its choices repeat with the seed.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance.stack import ADMIN, READER, WRITER, FilledStack
from tests.conformance.table import Row, say
from tests.conformance.tools import ROOT, tool

_SHOWN = 20_000


@dataclass(frozen=True)
class Role:
    """Whose token, how many cases an operation and phase, and which phases."""

    name: str
    scopes: tuple[str, ...]
    examples: int
    phases: str = "examples,coverage,fuzzing,stateful"


ROLES = (
    Role("writer", WRITER, 40),
    Role("admin", ADMIN, 40),
    Role("reader", READER, 5, "examples,fuzzing"),
)


def run(here: FilledStack, seed: int, seconds: int) -> list[Row]:
    """One row an operation and role."""
    rows: list[Row] = []
    for role in ROLES:
        rows += _as(here, role, seed, seconds)
    return rows


def _as(here: FilledStack, role: Role, seed: int, seconds: int) -> list[Row]:
    folder = here.folder / f"fuzz-{role.name}"
    folder.mkdir()
    (folder / "auth.json").write_text(json.dumps(_identities(here, role)))
    (folder / "schemathesis.toml").write_text(_settings(here, folder))
    command = [
        tool("schemathesis"),
        "--config-file",
        str(folder / "schemathesis.toml"),
        "run",
        f"{here.api}/openapi.json",
    ]
    command += ["--seed", str(seed), "--max-examples", str(role.examples), "--phases", role.phases, "--no-color"]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.conformance.fuzz_hooks",
        "CONFORMANCE_COUNTS": str(folder / "counts.json"),
        "PYTHONPATH": str(ROOT),
    }
    say(f"schemathesis as {role.name}")
    with (folder / "out.txt").open("wb") as output:
        try:
            subprocess.run(
                command, env=environment, cwd=folder, stdout=output, stderr=output, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            return [Row(f"{role.name}: all operations", "done in time", f"not done in {seconds} s", "FAILED")]
    return _rows(role, folder)


def _identities(here: FilledStack, role: Role) -> dict[str, Any]:
    """Two owners who must not see each other's things (schemathesis reads the Web Fuzzing Commons' format)."""
    names = ["ann", "bob"] if role.scopes != ADMIN else ["root"]
    return {
        "auth": [
            {
                "name": name,
                "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {here.token(name, role.scopes)}"}],
            }
            for name in names
        ]
    }


def _settings(here: FilledStack, folder: Path) -> str:
    """One worker: threads that parse source at one time confuse CPython 3.11 (gh-106905), and runs repeat better."""
    names = [each["name"] for each in json.loads((folder / "auth.json").read_text())["auth"]]
    peers = f"peers = {json.dumps(names)}" if len(names) > 1 else ""
    return f"""
continue-on-failure = true
request-timeout = 20.0
workers = 1
[cache]
enabled = false
[generation]
database = "none"
[auth.wfc]
path = {json.dumps(str(folder / "auth.json"))}
user = {json.dumps(names[0])}
{peers}
[reports.json]
enabled = true
path = {json.dumps(str(folder / "report.json"))}
[dictionaries.images]
values = {json.dumps(here.images)}
[dictionaries.letters]
values = {json.dumps(here.letters)}
[parameters]
"path.image_id" = {{ dictionary = "images", probability = 0.5 }}
"path.letter_id" = {{ dictionary = "letters", probability = 0.5 }}
"""


def _rows(role: Role, folder: Path) -> list[Row]:
    output = (folder / "out.txt").read_text(encoding="utf-8", errors="replace")
    report_file, counts_file = folder / "report.json", folder / "counts.json"
    if not report_file.exists() or not counts_file.exists():
        say(output[-_SHOWN:])
        return [Row(f"{role.name}: all operations", "a report", "schemathesis did not come to its end", "FAILED")]
    report, counts = json.loads(report_file.read_text()), json.loads(counts_file.read_text())
    failures: dict[str, list[str]] = {}
    for failure in report["failures"]:
        for label in failure["operations"]:
            failures.setdefault(counts["operations"].get(label, label), []).append(failure["title"])
    if failures or report["errors"]:
        begin = min((output.find(part) for part in ("= ERRORS =", "= FAILURES =") if part in output), default=0)
        say(output[begin:][:_SHOWN])
    tried = sorted(counts["requests"].keys() | failures.keys())
    rows = [_operation(role, name, counts, failures.get(name, [])) for name in tried]
    return rows + [
        Row(f"{role.name}: {error['title']}", "no error", f"{error['count']} times", "FAILED")
        for error in report["errors"]
    ]


def _operation(role: Role, name: str, counts: dict[str, Any], failed: list[str]) -> Row:
    statuses = ", ".join(
        f"{status} {count} times" for status, count in sorted(counts["requests"].get(name, {}).items())
    )
    excused = "".join(f"; excused {count} times: {why}" for why, count in counts["excused"].get(name, {}).items())
    told = f"{', '.join(failed)}; {statuses}{excused}" if failed else f"{statuses}{excused}"
    return Row(f"{role.name} {name}", "no failure", told, "FAILED" if failed else "ok")

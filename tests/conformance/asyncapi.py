"""The live AsyncAPI document before the official parser of AsyncAPI, which is an npm package."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx2
from tests.conformance.stack import FilledStack
from tests.conformance.table import Row, row
from tests.conformance.tools import install_from_npm

_SECONDS = 180


def run(here: FilledStack) -> list[Row]:
    """One row: what the parser says."""
    case = "AsyncAPI document: @asyncapi/parser"
    folder, problem = install_from_npm(Path(__file__).parent / "asyncapi_parser")
    if problem:
        return [Row(case, "valid", problem, "not run")]
    document = here.folder / "asyncapi.json"
    address = here.events.replace("ws://", "http://").replace("/v1/events", "/asyncapi.json")
    document.write_bytes(httpx2.get(address, trust_env=False).content)
    command = ["node", str(folder / "check.mjs"), str(document)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    return [row(case, "valid", (done.stdout + done.stderr).strip()[-1500:])]

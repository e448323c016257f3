"""A client generated from the live document: made without a warning, it compiles, passes a type checker, and works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2
from tests.conformance.stack import WRITER, FilledStack, small_picture
from tests.conformance.table import Row, row
from tests.conformance.tools import tool

_PACKAGE = "generated_client"
_CALL = Path(__file__).parent / "generated_call.py"
_SECONDS = 120
_SETTINGS = f"""
package_name_override: {_PACKAGE}
post_hooks: []
content_type_overrides:
  image/*: application/octet-stream
  application/offset+octet-stream: application/octet-stream
"""


def run(here: FilledStack) -> list[Row]:
    """One row a step; later steps are not tried when one fails."""
    folder = here.folder / "generated"
    folder.mkdir()
    (folder / "document.json").write_bytes(httpx2.get(f"{here.api}/openapi.json", trust_env=False).content)
    (folder / "settings.yaml").write_text(_SETTINGS)
    (folder / "picture.jpg").write_bytes(small_picture(4_000))
    package = folder / "client"
    generate = [tool("openapi-python-client"), "generate", "--path", "document.json", "--output-path", "client"]
    mypy = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--python-executable", tool("python")]
    steps: list[tuple[str, list[str]]] = [
        ("generate without a warning", [*generate, "--config", "settings.yaml", "--fail-on-warning"]),
        ("compile", [tool("python"), "-m", "compileall", "-q", str(package)]),
        ("mypy --strict", [*mypy, str(package / _PACKAGE)]),
    ]
    rows = []
    for name, command in steps:
        rows.append(_step(name, command, folder))
        if rows[-1].failed:
            return rows
    return rows + _called(here, folder)


def _step(name: str, command: list[str], folder: Path) -> Row:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
    got = "done" if done.returncode == 0 else (done.stdout + done.stderr)[-900:]
    return row(f"openapi-python-client: {name}", "done", got)


def _called(here: FilledStack, folder: Path) -> list[Row]:
    environment = os.environ | {
        "PYTHONPATH": str(folder / "client"),
        "CONFORMANCE_API": here.api,
        "CONFORMANCE_TOKEN": here.token("gen", WRITER),
        "CONFORMANCE_PICTURE": str(folder / "picture.jpg"),
    }
    command = [tool("python"), str(_CALL)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    rows = [row(f"generated client: {line['case']}", line["expected"], line["got"]) for line in lines]
    if done.returncode:
        rows.append(Row("generated client: the script", "ends well", done.stderr[-900:], "FAILED"))
    return rows

"""An existing tus client against the gateway: tus-js-client, the reference client, as Uppy and most web pages use it.

``run`` installs it by its lock file into ``build/`` and has ``run.mjs`` drive it; ``python -m tests.conformance tus`` shows
what came of it.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
from pathlib import Path

from tests.chaos.pictures import picture

_HERE = Path(__file__).parent
_MODULES = Path(__file__).resolve().parents[3] / "build" / "conformance" / "tus"
_CASES = 20
_SECONDS = 180.0

Case = tuple[str, bool | None, str]
"""What was tried, whether it went well (``None``: it could not be tried), and a detail."""


def run(gateway_url: str, token: str, workdir: Path) -> list[Case]:
    """Tries everything against the gateway at ``gateway_url``, as the owner of ``token``."""
    if not shutil.which("node") or not shutil.which("npm"):
        return [("tus-js-client", None, "node is not on this machine")]
    if problem := _install():
        return [("tus-js-client", None, problem)]
    command = ["node", str(_MODULES / "run.mjs"), f"{gateway_url}/v1/uploads/tus", str(workdir), *_pictures(workdir)]
    environment = os.environ | {"TOKEN": token}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return [("tus-js-client", False, f"not done within {_SECONDS:g} seconds")]
    cases: list[Case] = []
    for line in done.stdout.splitlines():
        verdict, case, detail = line.split("\t")
        cases.append((case, verdict == "ok", detail))
    if (done.returncode != 0) != any(not passed for _, passed, _ in cases) or not cases:
        cases.append(("tus-js-client", False, f"ended with {done.returncode}: {done.stderr.strip()[-300:]}"))
    return cases


def _pictures(folder: Path) -> list[str]:
    """Some hundred kilobytes each, so that they are several chunks."""
    made = []
    for number in range(_CASES):
        path = folder / f"{number}.jpg"
        path.write_bytes(picture(number, random.Random(number), width=1200, height=900, quality=97).data)
        made.append(str(path))
    return made


def _install() -> str:
    """Installs the client once; says why it could not."""
    parts = [(_HERE / name).read_bytes() for name in ("package-lock.json", "run.mjs")]
    want = hashlib.sha256(b"".join(parts)).hexdigest()
    stamp = _MODULES / ".stamp"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == want:
        return ""
    shutil.rmtree(_MODULES, ignore_errors=True)
    shutil.copytree(_HERE, _MODULES, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(command, cwd=_MODULES, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        return f"npm ci failed: {done.stderr.strip()[-300:]}"
    stamp.write_text(want, encoding="utf-8")
    return ""

"""An existing tus client against the gateway: tus-js-client, the reference client, as Uppy and most web pages use it.

``run`` has ``run.mjs`` drive it; ``python -m tests.conformance tus`` shows
what came of it.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

from tests.chaos.pictures import picture
from tests.conformance.tools import install_from_npm

_CASES = 20
_SECONDS = 180.0

Case = tuple[str, bool | None, str]
"""What was tried, whether it went well (``None``: it could not be tried), and a detail."""


def run(gateway_url: str, token: str, workdir: Path) -> list[Case]:
    """Tries everything against the gateway at ``gateway_url``, as the owner of ``token``."""
    folder, problem = install_from_npm(Path(__file__).parent)
    if problem:
        return [("tus-js-client", None, problem)]
    command: list[str | Path] = [
        "node",
        folder / "run.mjs",
        f"{gateway_url}/v1/uploads/tus",
        workdir,
        *_pictures(workdir),
    ]
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

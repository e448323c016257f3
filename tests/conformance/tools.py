"""The tools of others, apart from our own packages: ``.venv-conformance`` from ``requirements.txt``, and those from npm."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conformance.table import say

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv-conformance"
_REQUIREMENTS = Path(__file__).parent / "requirements.txt"
_NPM_SECONDS = 180


def tool(name: str) -> str:
    """The path of a program of ``.venv-conformance``."""
    return str(VENV / "bin" / name)


def prepare() -> None:
    """Makes ``.venv-conformance`` where it is not what ``requirements.txt`` asks for."""
    want = hashlib.sha256(sys.version.encode() + _REQUIREMENTS.read_bytes()).hexdigest()
    stamp = VENV / ".stamp"
    if stamp.exists() and stamp.read_text() == want:
        return
    say("preparing .venv-conformance (once)")
    uv = str(Path(sys.executable).parent / "uv")
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)], check=True)
    install = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        tool("python"),
        "--require-hashes",
        "-r",
        str(_REQUIREMENTS),
    ]
    subprocess.run(install, check=True)
    stamp.write_text(want)


def install_from_npm(package: Path) -> tuple[Path, str]:
    """Installs what the lock file in ``package`` names, once, beside its scripts in a folder of ``build``. Returns the
    folder, and why it could not be done."""
    folder = ROOT / "build" / "conformance" / package.name
    if not shutil.which("node") or not shutil.which("npm"):
        return folder, "node and npm are not on this machine"
    sources = [path.read_bytes() for path in sorted(package.iterdir()) if path.suffix in {".json", ".mjs"}]
    want = hashlib.sha256(b"".join(sources)).hexdigest()
    stamp = folder / ".stamp"
    if stamp.exists() and stamp.read_text() == want:
        return folder, ""
    say(f"installing {package.name} from npm (once)")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(package, folder, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_NPM_SECONDS, check=False)
    if done.returncode:
        return folder, f"npm ci failed: {done.stderr.strip()[-300:]}"
    stamp.write_text(want)
    return folder, ""

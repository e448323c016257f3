"""The command as a process: clean output, exit codes, Ctrl-C, closed pipes, starting fast, what others mount."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.unit.client.fake import TOKEN, FakeServer, script
from tests.unit.client.support import UNKNOWN

from heliograph_client.cli.main import _COMMANDS

COMMAND = [sys.executable, "-m", "heliograph_client"]
_START_SECONDS = 0.5


@pytest.fixture
def environment(fake: FakeServer, tmp_path: Path) -> dict[str, str]:
    """Variables that lead to the fake, and to no stack that may run here."""
    ours = {"HELIOGRAPH_API": fake.api, "HELIOGRAPH_EVENTS": fake.events, "HELIOGRAPH_TOKEN": TOKEN}
    others = {key: value for key, value in os.environ.items() if not key.startswith("HELIOGRAPH_")}
    return {**others, **ours, "HELIOGRAPH_DATA": str(tmp_path / "no-stack")}


def run(environment: dict[str, str], *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], env={**environment, **changes}, capture_output=True, text=True, timeout=60, check=False
    )


def test_json_is_all_there_is_on_standard_output(fake: FakeServer, environment: dict[str, str], tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(8)]
    for path in paths:
        path.write_bytes(b"\xff\xd8\xff" + path.name.encode())
    (tmp_path / "x.txt").write_text("text")
    done = run(environment, "upload", str(tmp_path), "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["file"] for line in found} == {*map(str, paths), str(tmp_path / "x.txt")}
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["images", "ls", "--zzz"], 2, "No such option: --zzz; see: "),
        (["images", "ls", "--limit", "0"], 2, "greater than or equal to 1; see: "),
        (["upload"], 2, "Missing argument 'FILE'; see: "),
        (["uplaod", "x"], 2, "unknown command 'uplaod'; did you mean 'upload'?; see: "),
        (["images", "get", UNKNOWN], 1, "there is no such thing. Do it right."),
    ],
)
def test_errors_are_one_line(environment: dict[str, str], arguments: list[str], code: int, said: str) -> None:
    done = run(environment, *arguments)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
    assert done.stderr.startswith("heliograph: ")
    assert said in done.stderr


def test_nothing_to_reach(environment: dict[str, str]) -> None:
    nowhere = run(environment, "queue", "--json", HELIOGRAPH_API="http://127.0.0.1:1")
    assert (nowhere.returncode, nowhere.stdout, len(nowhere.stderr.splitlines())) == (3, "", 1)
    del environment["HELIOGRAPH_API"]
    unknown = run(environment, "queue")
    assert (unknown.returncode, "heliograph dev up" in unknown.stderr) == (3, True)


@contextmanager
def _interruptible(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that Ctrl-C reaches as in a terminal: one that a shell starts in the background inherits that SIGINT is
    ignored. It is killed when the test ends early."""
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - one call, no locks
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_ctrl_c_ends_a_watch_cleanly(fake: FakeServer, environment: dict[str, str]) -> None:
    fake.sockets.append(script(fake.event(1, subject="some-image")))
    with _interruptible([*COMMAND, "watch", "--json"], environment) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["subject"] == "some-image"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "")


def test_ctrl_c_during_an_upload_tells_of_every_file(
    fake: FakeServer, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff a")
    command = [*COMMAND, "upload", str(tmp_path / "a.jpg"), "--wait", "--json"]
    with _interruptible(command, environment) as process:
        deadline = time.monotonic() + 30
        while not fake.subscriptions and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    line = json.loads(out)
    assert (line["status"], line["id"]) == ("unknown", next(iter(fake.images)))
    assert "duplicates are detected" in line["error"]["reason"]
    assert (process.returncode, err) == (130, "")


def test_a_reader_that_has_had_enough(fake: FakeServer, environment: dict[str, str]) -> None:
    fake.page_size = 200
    for _ in range(400):
        fake.add_image("n" * 200)
    command = f"{' '.join(COMMAND)} images ls --all --json | head -n 1"
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, timeout=60, check=False)  # noqa: S602
    assert json.loads(done.stdout)["status"] == "complete"
    assert done.stderr == ""


@pytest.mark.unmeasured
def test_it_starts_fast(environment: dict[str, str]) -> None:
    """Held to ten times what it may be: the machine may be busy. What was measured is in the failure's message."""
    began = time.monotonic()
    assert run(environment, "version").returncode == 0
    assert time.monotonic() - began < 10 * _START_SECONDS


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        ("version", {"httpx2", "websockets", "rich", "heliograph_local"}),
        ("--help", {"httpx2", "websockets", "rich", "heliograph_local"}),
        ("images ls --help", {"heliograph_local", "heliograph_common", "numpy"}),
    ],
)
def test_a_command_loads_only_what_it_needs(environment: dict[str, str], arguments: str, absent: set[str]) -> None:
    code = (
        "import atexit, sys; sys.argv = ['heliograph', *sys.argv[1:]];"
        f"atexit.register(lambda: print('LOADED', sorted({absent!r} & set(sys.modules)), file=sys.stderr));"
        "from heliograph_client.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments.split()],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == "LOADED []\n"


def test_the_help_names_every_command_and_those_that_others_mount(environment: dict[str, str], tmp_path: Path) -> None:
    package = tmp_path / "site"
    (package / "other-1.dist-info").mkdir(parents=True)
    (package / "other-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: other\nSummary: Others' work\n"
    )
    (package / "other-1.dist-info" / "entry_points.txt").write_text("[heliograph.commands]\nother = other_module:app\n")
    (package / "other_module.py").write_text(
        "import typer\napp = typer.Typer()\n@app.command()\ndef one(name: str) -> None:\n    print('one', name)\n"
        "@app.command()\ndef two() -> None:\n    raise typer.Exit(7)\n"
    )
    path = f"{package}{os.pathsep}{environment.get('PYTHONPATH', '')}"
    shown = run(environment, "--help", PYTHONPATH=path).stdout
    assert all(name in shown for name in [*_COMMANDS, "other", "Others' work", "Exit codes"])
    assert run(environment, "other", "one", "x", PYTHONPATH=path).stdout == "one x\n"
    assert run(environment, "other", "two", PYTHONPATH=path).returncode == 7

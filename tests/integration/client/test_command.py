"""The command against a real stack."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from heliograph_common.contracts.sizes import DEFAULT_SIZES

SIZES = {size.name for size in DEFAULT_SIZES}


def lines(done: Any) -> list[dict[str, Any]]:
    """Standard output as JSON Lines."""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_upload_wait_list_download_delete(
    heliograph: Callable[..., Any], picture: Callable[[int], bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.png").write_bytes(picture(number))
    (folder / "notes.txt").write_text("not a picture")
    (folder / "cut.png").write_bytes(picture(77)[:200])

    first = heliograph("upload", str(folder), "--wait", "--json")
    found = {Path(line["file"]).name: line for line in lines(first)}
    assert first.stderr == ""
    assert first.returncode == 1  # the picture that is cut off
    good = {name: line for name, line in found.items() if name[0].isdigit()}
    assert {line["status"] for line in good.values()} == {"complete"}
    assert all({each["name"] for each in line["renditions"]} == SIZES for line in good.values())
    assert all(line["created"] and line["error"] is None for line in good.values())
    assert found["notes.txt"]["status"] == "skipped"
    assert found["cut.png"]["status"] in {"failed", "refused"}
    assert found["cut.png"]["error"]["reason"]

    (folder / "cut.png").unlink()
    second = heliograph("upload", str(folder), "--wait", "--json")
    assert second.returncode == 0
    again = {Path(line["file"]).name: line for line in lines(second) if line["status"] != "skipped"}
    assert {name: line["id"] for name, line in again.items()} == {name: line["id"] for name, line in good.items()}
    assert not any(line["created"] for line in again.values())

    listed = lines(heliograph("images", "ls", "--all", "--json"))
    assert {line["id"] for line in good.values()} <= {line["id"] for line in listed}
    one = good["0.png"]
    saved = lines(heliograph("images", "download", one["id"], "--all", "-o", str(tmp_path / "out"), "--json"))
    assert {line["rendition"] for line in saved} == SIZES | {"original"}
    assert (tmp_path / "out" / "0.png").read_bytes() == picture(0)
    assert (tmp_path / "out" / "0-150.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    assert heliograph("images", "retry", one["id"]).returncode == 1
    assert heliograph("images", "rm", one["id"]).returncode == 0
    gone = heliograph("images", "get", one["id"])
    assert (gone.returncode, gone.stdout, len(gone.stderr.splitlines())) == (1, "", 1)


def test_what_administrators_see(heliograph: Callable[..., Any], tmp_path: Path) -> None:
    assert json.loads(heliograph("queue", "--json").stdout)["counted"] == "all"
    letters = heliograph("dead-letters", "ls", "--json")
    assert letters.returncode == 0, letters.stderr
    sizes = heliograph("sizes", "get", "--json")
    assert {size["name"] for size in json.loads(sizes.stdout)["sizes"]} == SIZES
    (tmp_path / "sizes.json").write_text(sizes.stdout)
    assert heliograph("sizes", "set", str(tmp_path / "sizes.json"), "--json").stdout == sizes.stdout


def test_a_token_without_the_scope_or_without_sense(heliograph: Callable[..., Any], data: Path) -> None:
    token = json.loads((data / "connection.json").read_text())["token"]
    user = heliograph("dead-letters", "ls", HELIOGRAPH_TOKEN=token)
    assert (user.returncode, user.stdout, len(user.stderr.splitlines())) == (4, "", 1)
    for command in (["images", "ls"], ["watch"]):
        nobody = heliograph(*command, HELIOGRAPH_TOKEN="nonsense")
        assert (nobody.returncode, nobody.stdout, len(nobody.stderr.splitlines())) == (4, "", 1)


def test_an_analysis_without_credentials_says_what_it_waits_for(
    heliograph: Callable[..., Any], picture: Callable[[int], bytes], tmp_path: Path
) -> None:
    file = tmp_path / "meal.png"
    file.write_bytes(picture(500))
    asked = ("analyze", str(file), "--profile", "food")
    waited = heliograph(*asked, "--wait", "--timeout", "3", "--json")
    (line,) = lines(waited)
    assert (waited.returncode, line["status"], line["waiting"]["reason"]) == (1, "timeout", "missing credentials")
    assert waited.stderr == "heliograph: waiting: missing credentials\n"
    assert "missing credentials" in line["error"]["reason"]
    left = heliograph(*asked)
    assert left.returncode == 0
    assert f"queued, waiting: missing credentials; show with: heliograph analyses get {line['id']}" in left.stdout
    shown = heliograph("analyses", "get", line["id"])
    assert (shown.returncode, "waiting: missing credentials" in shown.stdout) == (0, True)
    assert heliograph("costs").returncode == 0
    refused = heliograph("analyze", str(file), "--profile", "horoscope")
    assert refused.returncode == 1
    assert "Must be one of" in refused.stdout

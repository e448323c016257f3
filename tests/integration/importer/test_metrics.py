"""What metrics count of imports: each file once, whatever became of it, and each import that ended."""

from __future__ import annotations

from collections.abc import Callable

from tests.integration.importer.support import SHELF, Imports

from heliograph_common.telemetry.metrics import REGISTRY
from heliograph_importer.sources.port import CredentialRefused, Missing

Picture = Callable[[int], bytes]
COUNTED = [("files", outcome) for outcome in ("imported", "unchanged", "skipped", "failed")]
ENDED = [("imports", outcome) for outcome in ("completed", "failed")]


def counted() -> dict[tuple[str, str], float]:
    names = {"files": "heliograph_import_files_total", "imports": "heliograph_imports_total"}
    return {
        (kind, outcome): REGISTRY.get_sample_value(names[kind], {"source": SHELF, "outcome": outcome}) or 0
        for kind, outcome in [*COUNTED, *ENDED]
    }


def bytes_counted() -> float:
    return REGISTRY.get_sample_value("heliograph_import_bytes_total", {"source": SHELF}) or 0


async def test_each_file_and_each_end_is_counted(imports: Imports, picture: Picture) -> None:
    shelf, before, bytes_before = imports.shelf, counted(), bytes_counted()
    for number in range(3):
        shelf.add(f"{number}.jpg", picture(number))
    shelf.add("paper", b"", skip=("document", "a document has no image"))
    shelf.add("gone.jpg", picture(9))
    shelf.opening = lambda ref: Missing("it is gone: import the folder again") if ref == "gone.jpg" else None
    async with imports.importer():
        await imports.ended(await imports.start())
        await imports.ended(await imports.start())
        shelf.listing = lambda _folder, _cursor: CredentialRefused("it was revoked: renew it")
        row = await imports.ended(await imports.start())
    assert row.status == "failed"

    added = {key: count - before[key] for key, count in counted().items()}
    assert added == {
        ("files", "imported"): 3, ("files", "unchanged"): 3, ("files", "skipped"): 2, ("files", "failed"): 2,
        ("imports", "completed"): 2, ("imports", "failed"): 1,
    }  # fmt: skip
    assert bytes_counted() - bytes_before == sum(len(picture(number)) for number in range(3))

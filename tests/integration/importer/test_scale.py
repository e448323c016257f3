"""Folders of very many files."""

from __future__ import annotations

import pytest
from tests.integration.importer.support import Imports, nothing_left

from heliograph_importer.sources.port import RemoteFile

FILES = 5_000


@pytest.mark.timeout(600)
async def test_a_folder_of_five_thousand_files(imports: Imports) -> None:
    files = [
        RemoteFile(ref=f"ref-{n}", name=f"{n}.pdf", path=f"{n}.pdf", size=n, skip=("document", "a document"))
        for n in range(FILES)
    ]
    imports.shelf.folders["root"] = (files, [])
    async with imports.importer():
        import_id = await imports.start()
        row = await imports.ended(import_id, seconds=500)
    assert (row.status, row.found, row.skipped) == ("completed", FILES, FILES)
    assert row.found_bytes == sum(range(FILES))
    assert imports.shelf.listed["root"] == FILES // 1000
    await nothing_left(imports.database)

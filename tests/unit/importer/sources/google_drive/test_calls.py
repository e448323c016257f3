"""Every call that is made of Google's API, each as its own description has it."""

from __future__ import annotations

from tests.unit.importer.sources.google_drive.support import Served, fetched, walk

from heliograph_importer.sources.port import OAuthToken, ServiceAccount
from heliograph_local.doubles.google_drive import ANYONE

ADA = "ada@example.com"

USED = {
    "drive.files.get",  # the root, what shortcuts lead to, whether Drive answers
    "drive.files.list",
    "drive.files.get_media",
    "drive.drives.get",  # the name of a shared drive
    "token",  # of a service account, and renewed for a user
}


async def test_the_calls_that_an_import_makes_are_googles(drive: Served) -> None:
    tree, accounts = drive.double.tree, drive.double.accounts
    account = ServiceAccount(info=accounts.service_account("robot"))
    user = OAuthToken(access_token="old", refresh_token=accounts.refresh_token(ADA))
    top = tree.shared_drive("Marketing", ADA, account.info["client_email"])
    keyed = tree.folder("Keyed", shared=ANYONE, resource_key="0-key")
    tree.pictures(4, tree.folder("it's 100% \\\\ fine", top))
    tree.shortcut("a file", top, tree.picture("elsewhere.jpg", keyed, resource_key="0-file"))
    tree.shortcut("a folder", top, keyed)
    for credential in (account, user):
        source = drive.source(top, credential)
        for file in await walk(source):
            assert await fetched(source, file)
        await source.probe()
    assert set(drive.calls()) == USED
    assert drive.double.behaviour.violations == []

"""Which calls of the Dropbox API are used, and that they are as Dropbox has them; with the demo, as anyone would try it."""

from __future__ import annotations

from pydantic import SecretStr
from tests.unit.importer.sources.dropbox.support import CountedBudget, content_of, everything

from heliograph_common.contracts.links.dropbox import parse
from heliograph_importer.settings import DropboxSettings
from heliograph_importer.sources.dropbox import Dropbox
from heliograph_importer.sources.port import Location, OAuthToken
from heliograph_local.doubles.dropbox.app import CONTENTS
from heliograph_local.doubles.dropbox.demo import LINK, TOKEN, demo
from heliograph_local.doubles.serving import served

CALLS = {
    "check/app",
    "check/user",
    "files/download",
    "files/get_metadata",
    "files/list_folder",
    "files/list_folder/continue",
    "oauth2/token",
    "sharing/get_shared_link_file",
    "sharing/get_shared_link_metadata",
}


async def test_each_call_that_is_used_is_one_of_the_vendors() -> None:
    double = demo()
    double.answers.page_size = 2
    [account] = double.accounts
    async with served(double.app) as url:
        settings = DropboxSettings(
            api_url=f"{url}/api",
            content_url=f"{url}/content",
            app_key=double.app_key,
            app_secret=SecretStr(double.app_secret),
        )
        provider, budget = Dropbox(settings), CountedBudget()
        by_link = provider.source(Location(link=parse(LINK)), None, budget)
        token = OAuthToken(access_token=TOKEN, refresh_token=account.refresh_token)
        by_path = provider.source(Location(link=parse("/Photos")), token, budget)
        account.expire()
        for source in (by_link, by_path):
            await source.probe()
            found = await everything(source)
            pictures = [file for file in found if file.skip is None]
            assert len(pictures) == 4
            assert {file.skip[0] for file in found if file.skip} == {"document", "not_downloadable"}
            for picture in pictures:
                assert (await content_of(source, picture)).startswith(b"\xff\xd8\xff")
        await provider.close()
    assert {asked.call for asked in double.behaviour.asked} == CALLS | {CONTENTS}
    assert double.behaviour.violations == []

"""The doubles run as one application, and what services are told leads each to its double."""

from __future__ import annotations

import httpx2
from openai import AsyncOpenAI

from heliograph_analyzer.settings import OpenAISettings
from heliograph_local.doubles import addresses
from heliograph_local.doubles.serving import served
from heliograph_local.doubles.together import Doubles

ENTRY = {
    "entryId": "e1",
    "owner": "ann",
    "name": "Soup",
    "calories": 90,
    "protein": 3,
    "carbs": 12,
    "fat": 2.5,
    "servingSize": "",
    "ingredients": [],
    "confidence": 1,
    "eatenAt": "2026-11-21T12:00:00Z",
}


async def test_variables_lead_to_the_doubles() -> None:
    doubles = Doubles()
    async with served(doubles.app) as url, httpx2.AsyncClient(trust_env=False) as http:
        told = addresses.environment("analyzer", url)
        settings = OpenAISettings.model_validate(
            {name.removeprefix("HELIOGRAPH_OPENAI__").lower(): value for name, value in told.items()}
        )
        assert settings.api_key is not None
        key = settings.api_key.get_secret_value()
        client = AsyncOpenAI(api_key=key, base_url=settings.base_url, max_retries=0, http_client=http)
        assert await client.models.retrieve(settings.model)

        told = addresses.environment("gateway", url)
        entries = f"{told['HELIOGRAPH_FOOD__USER_SERVICE_URL']}/entries/e1"
        bearer = {"authorization": f"Bearer {told['HELIOGRAPH_FOOD__USER_SERVICE_TOKEN']}"}
        assert (await http.put(entries, json=ENTRY, headers=bearer)).status_code == 201
        told = addresses.environment("importer", url)
        photos = f"{told['HELIOGRAPH_UNSPLASH__BASE_URL']}/search/photos?query=apple"
        access = {"authorization": f"Client-ID {told['HELIOGRAPH_UNSPLASH__ACCESS_KEY']}"}
        [photo, *_] = (await http.get(photos, headers=access)).json()["results"]
        assert (await http.get(photo["urls"]["thumb"])).headers["content-type"] == "image/jpeg"
        assert (await http.get(url)).json().keys() >= {"google_drive", "dropbox", "urls"}
    assert doubles.openai.behaviour.violations == doubles.user_service.behaviour.violations == []
    assert doubles.unsplash.behaviour.violations == []
    assert [*doubles.user_service.entries] == ["e1"]


def test_services_that_ask_nobody_are_told_nothing() -> None:
    assert addresses.environment("thumbnailer", "http://doubles") == {}
    assert addresses.environment("importer", "http://doubles") == addresses.importer_environment("http://doubles")

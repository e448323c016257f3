"""The profile of analysis that ``test_new_profile`` adds: its one file, as CONTRIBUTING.md describes it, and what shows that
it works. It tells which plant a picture shows."""

from __future__ import annotations

from pathlib import Path

from tests.architecture.support import write

PROFILE = "services/analyzer/src/heliograph_analyzer/profiles/garden_plant.py"
SHOWN = "tests/integration/analyzer/test_garden_plant.py"

WRITTEN = {
    PROFILE: '''"""``garden-plant``: which plant a picture shows, and how it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from heliograph_analyzer.profiles.port import RULES, Facts, Profile, Result

_PROMPT = f"""\\
You tell owners of garden plants which plant a picture shows, and how it does.

- species: the common name of the plant; empty if no plant can be seen.
- health: how the plant looks.
- needs: up to 5 short hints, such as "water it".

{RULES}"""


class GardenPlant(Result):
    """A plant on a picture."""

    species: str = Field(max_length=100, description="Common name.")
    health: Literal["good", "poor", "unknown"] = Field(description="How it looks.")
    needs: list[Annotated[str, Field(max_length=100)]] = Field(max_length=10, description="Hints.")


def _facts(result: Mapping[str, Any]) -> Facts:
    species = result["species"]
    return Facts(caption=species, alt_text=species, tags=["plant", species] if species else [])


PROFILE = Profile(
    name="garden-plant", version=1, prompt=_PROMPT, result=GardenPlant, max_output_tokens=500, facts=_facts
)
''',
    SHOWN: '''"""A picture is analyzed by the new profile, which the gateway's settings name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.integration.analyzer.support import Analyses

from heliograph_gateway.settings import GatewaySettings


async def test_a_picture_of_a_plant(world: Analyses, make_settings: Callable[..., Any]) -> None:
    named = make_settings(GatewaySettings, gateway={"analysis_profiles": ["describe", "food", "garden-plant"]})
    async with world.analyzer():
        [row] = await world.ended(await world.asked(1, named.gateway.analysis_profiles[-1]))
    assert (row.status, row.profile, row.profile_version) == ("completed", "garden-plant", 1), row.error
    assert row.result.keys() == {"species", "health", "needs"}
    assert row.result["health"] in {"good", "poor", "unknown"}
    image = await world.image_row(row.image_id)
    assert image.caption == row.result["species"]
    assert "plant" in image.tags
''',
}


def add_files(tree: Path) -> None:
    """The profile, and the test of it."""
    for name, text in WRITTEN.items():
        write(tree / name, text)

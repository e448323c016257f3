"""P7: growth. The same look-ups through a gateway over 10,000 and over 2,000,000 image rows, in turns; half of the rows are
one owner's, who asks. Beside the times: how PostgreSQL ran each statement, and the pages that it looked at, which other
work on the machine does not change.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from urllib.parse import quote
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks import growth, pictures, stacks
from benchmarks.growth import Grown, Plan, Recorded
from benchmarks.http import Connection, connect
from benchmarks.report import lines, percentile, progress, show, step, verdict
from heliograph_common.db import statements
from heliograph_common.db.engine import Database
from heliograph_common.db.image_models import Image
from heliograph_common.settings import DatabaseSettings
from heliograph_gateway.http import cursor as cursors
from heliograph_gateway.images import queries
from heliograph_gateway.images.queries import ImageFilter
from heliograph_gateway.images.search.queries import page_of_matches, understood
from heliograph_gateway.images.similarity.queries import Similar, similar_page
from heliograph_local.services import GATEWAY

SIZES = (10_000, 2_000_000)
AIM = 1.5
_ROUNDS = 60
_IDS = 200
_PAGE = 50

_SEARCHES = {
    "a word of every picture": "jpg",
    "a word of old pictures only": "snow",
    "a word of five pictures": '"heron"',
    "a common and a rare word": "jpg heron",
    "two common words": "indoors blue",
    "two common words, never together": '"indoors" "outdoors"',
    "a word that is nowhere": "nowhere",
    "the beginning of thousands of words": "thing",
    "a phrase of common words": '"outdoors picture"',
    "an excluded word": "-jpg",
}
"""What is searched for, in the pictures of ``growth``."""

Statement = Callable[[AsyncConnection], Awaitable[object]]


@dataclass
class Side:
    """One database and the gateway over it, and tokens by owner."""

    grown: Grown
    http: Connection
    tokens: dict[str, str]
    ids: list[str] = field(default_factory=list)


@dataclass
class LookUp:
    """``target`` gives the path of a request to a side; ``statement`` runs what the gateway runs for it."""

    name: str
    target: Callable[[Side], str]
    statement: Callable[[str], Statement]
    body: bytes | None = None
    owner: str = growth.OWNER
    seconds: dict[int, list[float]] = field(default_factory=lambda: {size: [] for size in SIZES})
    plans: dict[int, list[Plan]] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Of the medians, large to small."""
        small, large = (statistics.median(self.seconds[size]) for size in SIZES)
        return large / small


def main() -> None:
    """Measures and prints."""
    asyncio.run(_measure())


async def _measure() -> None:
    lookups = _lookups(pictures.jpeg(640, 480))
    async with stacks.running([]) as stack:
        grown = []
        for size in SIZES:
            step(f"growing a database of {size:,} images")
            grown.append(await asyncio.to_thread(growth.grow, stack, size))
        tokens = {owner: growth.token(stack, owner) for owner in (growth.OWNER, growth.SMALL_OWNER)}
        step("starting a gateway over each")
        with (
            stacks.beside(stack, GATEWAY, **_environment(grown[0])) as first,
            stacks.beside(stack, GATEWAY, **_environment(grown[1])) as second,
        ):
            async with connect(first.url) as small, connect(second.url) as large:
                sides = [Side(grown[0], small, tokens), Side(grown[1], large, tokens)]
                await _ask(sides, lookups)
        for side in sides:
            step(f"plans over {side.grown.rows:,} images")
            await _explain(side, lookups)
    _print(lookups)


def _environment(grown: Grown) -> dict[str, str]:
    return {"HELIOGRAPH_DATABASE__URL": grown.url, "HELIOGRAPH_GATEWAY__RECONCILE_SECONDS": "86400"}


def _lookups(picture: bytes) -> list[LookUp]:
    owner, limit = growth.OWNER, _PAGE
    spare = random.Random(7)

    def page(wanted: ImageFilter, *, deep: bool = False, of: str = owner) -> Callable[[str], Statement]:
        return lambda one: partial(_page, wanted=wanted, before=UUID(one) if deep else None, limit=limit, owner=of)

    def deep(side: Side) -> str:
        return f"/v1/images?cursor={cursors.encode(spare.choice(side.ids), ImageFilter().as_query())}"

    def near_to(distance: int) -> LookUp:
        return LookUp(
            f"near-duplicates, distance {distance}",
            lambda side: f"/v1/images?near={spare.choice(side.ids)}&distance={distance}",
            lambda one: partial(_near, one=one, distance=distance, owner=owner),
        )

    half_a_year = "2026-06-01T00:00:00Z"
    return [
        LookUp("list, first page", lambda _: "/v1/images", page(ImageFilter())),
        LookUp("list, a page anywhere", deep, page(ImageFilter(), deep=True)),
        LookUp(
            "list, of an owner with 60 old images",
            lambda _: "/v1/images",
            page(ImageFilter(), of=growth.SMALL_OWNER),
            owner=growth.SMALL_OWNER,
        ),
        LookUp("list, failed ones", lambda _: "/v1/images?status=failed", page(ImageFilter(status="failed"))),
        LookUp("list, of one source", lambda _: "/v1/images?source=urls", page(ImageFilter(source="urls"))),
        LookUp(
            "list, source and status",
            lambda _: "/v1/images?source=urls&status=complete",
            page(ImageFilter(source="urls", status="complete")),
        ),
        LookUp("list, text in the name, many", lambda _: "/v1/images?name=picture", page(ImageFilter(name="picture"))),
        LookUp("list, text in the name, none", lambda _: "/v1/images?name=nowhere", page(ImageFilter(name="nowhere"))),
        *(
            LookUp(f"search, {kind}", partial(_search_path, q=q), partial(_search_of, q=q, owner=owner))
            for kind, q in _SEARCHES.items()
        ),
        LookUp(
            "list, created before",
            lambda _: f"/v1/images?created_before={quote(half_a_year)}",
            page(ImageFilter(created_before=datetime.fromisoformat(half_a_year))),
        ),
        LookUp(
            "status of one",
            lambda side: f"/v1/images/{spare.choice(side.ids)}",
            lambda one: partial(_status, one=one, owner=owner),
        ),
        LookUp(
            "duplicate", lambda _: "/v1/images", lambda one: partial(_duplicate, one=one, owner=owner), body=picture
        ),
        near_to(2),
        near_to(8),
        near_to(11),
    ]


async def _page(connection: AsyncConnection, wanted: ImageFilter, before: UUID | None, limit: int, owner: str) -> None:
    found = await queries.page_of_images(connection, owner, wanted, before=before, limit=limit)
    await queries.renditions_by_image(connection, [row.id for row in found.rows])


def _search_path(_: Side, q: str) -> str:
    return f"/v1/images?q={quote(q)}"


def _search_of(_: str, q: str, owner: str) -> Statement:
    return partial(_search, q=q, owner=owner)


async def _search(connection: AsyncConnection, q: str, owner: str) -> None:
    search = await understood(connection, q)
    found = await page_of_matches(connection, owner, search, ImageFilter(q=q), before=None, limit=_PAGE)
    await queries.renditions_by_image(connection, [row.id for row in found.rows])


async def _near(connection: AsyncConnection, one: str, distance: int, owner: str) -> None:
    row = await statements.find_image(connection, UUID(one), owner=owner)
    if row is not None:
        wanted = Similar(of=row.id, phash=row.phash, distance=distance)
        await similar_page(connection, owner, wanted, ImageFilter(), after=None, limit=_PAGE + 1)


async def _status(connection: AsyncConnection, one: str, owner: str) -> None:
    await statements.find_image(connection, UUID(one), owner=owner)
    await statements.renditions_of(connection, UUID(one))


async def _duplicate(connection: AsyncConnection, one: str, owner: str) -> None:
    known = select(Image.sha256).where(Image.id == UUID(one)).scalar_subquery()
    await statements.find_by_content(connection, owner, str((await connection.execute(select(known))).scalar_one()))


async def _ask(sides: Sequence[Side], lookups: Sequence[LookUp]) -> None:
    """Rounds over all look-ups, both sides in each; the first round warms up and takes the picture in."""
    for side in sides:
        side.ids = [str(one) for one in growth.ids(side.grown, _IDS)]
    with progress() as bar:
        task = bar.add_task("P7", total=_ROUNDS)
        for number in range(_ROUNDS + 1):
            for lookup, side in itertools.product(lookups, sides if number % 2 else sides[::-1]):
                seconds = await _once(side, lookup)
                if number:
                    lookup.seconds[side.grown.rows].append(seconds)
            bar.advance(task)


async def _once(side: Side, lookup: LookUp) -> float:
    headers = {"Authorization": f"Bearer {side.tokens[lookup.owner]}", "Content-Type": "image/jpeg"}
    method, body = ("GET", ()) if lookup.body is None else ("POST", (lookup.body,))
    target = lookup.target(side)
    began = time.perf_counter()
    status, answer = await side.http.request(method, target, headers=headers, body=body)
    if status not in {200, 201}:
        raise RuntimeError(f"{method} {target} answered {status}: {answer[:300]!r}")
    return time.perf_counter() - began


async def _explain(side: Side, lookups: Sequence[LookUp]) -> None:
    database = Database(DatabaseSettings(url=SecretStr(side.grown.url)), application="benchmark")
    try:
        for lookup in lookups:
            async with database.transaction() as connection, Recorded(connection) as recorded:
                await lookup.statement(side.ids[0])(connection)
            lookup.plans[side.grown.rows] = recorded.plans
    finally:
        await database.close()


def _print(lookups: Sequence[LookUp]) -> None:
    small, large = SIZES

    def row(lookup: LookUp) -> tuple[str, ...]:
        times = (
            f"{percentile(lookup.seconds[size], 50) * 1000:.1f} / {percentile(lookup.seconds[size], 95) * 1000:.1f}"
            for size in SIZES
        )
        pages = (str(sum(plan.pages for plan in lookup.plans[size])) for size in SIZES)
        return (lookup.name, *times, f"{lookup.ratio:.2f}x", *pages, verdict(lookup.ratio <= AIM))

    show(
        "P7 growth: milliseconds p50 / p95 of a request to the gateway, and 8 kB pages that PostgreSQL looks at",
        ("look-up", f"{small:,} rows", f"{large:,} rows", "p50 ratio", "pages", "pages, large", "aim"),
        [row(lookup) for lookup in lookups],
        (f"{_ROUNDS} requests each, in turns, one at a time; half of the rows are the asking owner's. Aim ≤ {AIM}.",),
    )
    lines(
        f"P7 plans over {large:,} rows, from the top node down; one line a statement",
        [f"{lookup.name}: {plan.nodes}" for lookup in lookups for plan in lookup.plans[large]],
    )
    lines(f"P7 plans that are others over {small:,} rows", _changed(lookups))


def _changed(lookups: Sequence[LookUp]) -> Sequence[str]:
    """What PostgreSQL chooses among few rows says little about many."""
    small, large = SIZES
    return [
        f"{lookup.name}: {before.nodes}"
        for lookup in lookups
        for before, after in zip(lookup.plans[small], lookup.plans[large], strict=False)
        if before.nodes != after.nodes
    ] or ["none"]

"""``python -m tests.conformance [fuzz,…] [--seed N]``: tries everything, prints tables, exits 1 on any failure."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

from tests.conformance import asyncapi, fuzz, generated, tokens, tools, tus, unsplash
from tests.conformance.stack import WRITER, FilledStack, filled_stack
from tests.conformance.table import Row, Verdict, console, say, show

_FUZZ_SECONDS = 900  # far more than it takes: what bounds it is the number of cases
_VERDICTS: dict[bool | None, Verdict] = {True: "ok", False: "FAILED", None: "not run"}


async def _fuzz(here: FilledStack, seed: int) -> list[Row]:
    return await asyncio.to_thread(fuzz.run, here, seed, _FUZZ_SECONDS)


async def _client(here: FilledStack, _: int) -> list[Row]:
    return await asyncio.to_thread(generated.run, here)


async def _asyncapi(here: FilledStack, _: int) -> list[Row]:
    return await asyncio.to_thread(asyncapi.run, here)


async def _tokens(here: FilledStack, _: int) -> list[Row]:
    return await tokens.run(here)


async def _tus(here: FilledStack, _: int) -> list[Row]:
    return await asyncio.to_thread(_tus_rows, here)


def _tus_rows(here: FilledStack) -> list[Row]:
    folder = here.folder / "tus"
    folder.mkdir()
    found = tus.run(here.api, here.token("tus", WRITER), folder)
    return [Row(f"tus: {case}", "as tus 1.0 says", detail, _VERDICTS[passed]) for case, passed, detail in found]


async def _unsplash(_: FilledStack, _seed: int) -> list[Row]:
    return await asyncio.to_thread(unsplash.run)


Part = Callable[[FilledStack, int], Awaitable[list[Row]]]
PARTS: dict[str, tuple[str, Part]] = {
    "client": ("A client generated from the OpenAPI document", _client),
    "asyncapi": ("The AsyncAPI document", _asyncapi),
    "tus": ("Resumable uploads", _tus),
    "unsplash": ("The types that the double of Unsplash is held to", _unsplash),
    "tokens": ("Attacks on tokens (RFC 8725): HTTP, handshake, first frame", _tokens),
    "fuzz": ("Requests that schemathesis made from the OpenAPI document", _fuzz),
}


async def run(chosen: list[str], seed: int) -> list[Row]:
    """Runs the parts one after the other on one stack."""
    rows: list[Row] = []
    say("starting the stack")
    async with filled_stack() as here:
        for name in chosen:
            title, part = PARTS[name]
            began = time.monotonic()
            try:
                found = await part(here, seed)
            except Exception as error:  # noqa: BLE001 - the other parts shall still run
                console.print_exception()
                found = [Row(title, "comes to its end", repr(error)[:500], "FAILED")]
            show(f"{title} ({time.monotonic() - began:.0f} s)", found)
            rows += found
    return rows


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance", description="Does it do what its documents say?"
    )
    parser.add_argument("parts", nargs="?", help=f"some of {','.join(PARTS)}; all by default")
    parser.add_argument("--seed", type=int, default=20261121, help="repeats the choices of a run")
    options = parser.parse_args(arguments)
    chosen = options.parts.split(",") if options.parts else list(PARTS)
    if unknown := [name for name in chosen if name not in PARTS]:
        parser.error(f"there is no part {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    say(f"seed {options.seed}")
    tools.prepare()
    rows = asyncio.run(run(chosen, options.seed))
    failed = [row for row in rows if row.failed]
    say(f"{len(rows)} tried, {len(failed)} failed, {sum(row.verdict == 'not run' for row in rows)} not run")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

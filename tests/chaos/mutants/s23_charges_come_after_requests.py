"""A request is charged when its answer is written down, and not before it is made."""

from __future__ import annotations

from typing import Any

MODULE = "heliograph_importer.words.handler"


def mutate(module: Any) -> None:
    """Looks at the budget where it is charged, and charges it where the step ends."""
    claims, handler = module.claims, module.WordHandler
    assert claims._charged
    write = handler._write

    async def looked_at(connection: Any, rules: Any, taken: Any, name: str) -> bool:
        spent = await claims.budget.spending(connection, name, rules.quota)
        later = spent.next_at(asked=taken.queued.asked_by is not None)
        if later <= spent.now:
            return True
        await claims.queries.put_back(connection, taken.word.key, until=later)
        return False

    async def write_and_charge(self: Any, job: Any, claim: Any, function: Any, **more: Any) -> None:
        async def charged() -> None:
            async with job.transaction() as transaction:
                await claims._insert(transaction.connection, self._rules, claim.taken, claim.provider.budget)

        if claim.request:
            await self._kept(charged)
        await write(self, job, claim, function, **more)

    async def insert(connection: Any, rules: Any, taken: Any, name: str) -> None:
        charge = claims.budget.charge
        more = {"word_key": taken.word.key, "task": taken.queued.task}
        await charge(connection, name, rules.quota + 1_000_000, asked=True, **more)

    claims._charged, claims._insert = looked_at, insert
    handler._write = write_and_charge

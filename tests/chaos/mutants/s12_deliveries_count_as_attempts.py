"""A message that was delivered more often than work may be begun is given up untried."""

from __future__ import annotations

from typing import Any

MODULE = "heliograph_common.messaging.worker"


def mutate(module: Any) -> None:
    """Changes how an attempt begins."""
    settle = module.Worker._settle

    async def counting(self: Any, delivery: Any, span: Any) -> str:
        if delivery.deliveries > 1:
            error = module.Temporary(f"not finished in {delivery.deliveries} deliveries")
            envelope = module.decode(delivery.payload)
            job = module.Job(self._messenger, self._handler.consumer, envelope, delivery.subject, worker="mutant")
            job.read(self._handler.command)
            await job.take(self._handler, hold=module.timedelta(seconds=30))
            given_up: str = await self._give_up(delivery, job, error)
            return given_up
        settled: str = await settle(self, delivery, span)
        return settled

    module.Worker._settle = counting

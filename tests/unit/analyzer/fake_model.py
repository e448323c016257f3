"""A vision model in memory, for tests of what asks one. ``tests/ports/test_models`` holds it to the port."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field

from heliograph_analyzer.models.port import Answer, Finish, ModelFailed, Question, Usage
from heliograph_common.errors import HeliographError


@dataclass
class FakeModel:
    """``results`` are its answers by the digest of a picture, ``result`` that for all others. ``failing`` is raised in place
    of answers, by ``probe`` as well unless ``probing`` is something else; ``away``: nobody answers. ``hold``: questions wait
    for it. ``questions`` are those that were asked, and ``calls`` counts those of each picture; ``probed`` probes."""

    name: str = "fake-model"
    provider: str = "openai"
    detail: str = "high"
    result: object = ""
    finish: Finish = "complete"
    refusal: str | None = None
    usage: Usage = field(default_factory=lambda: Usage(input_tokens=1_200, output_tokens=150))
    results: dict[str, object] = field(default_factory=dict)
    failing: HeliographError | None = None
    probing: HeliographError | None = None
    away: bool = False
    hold: asyncio.Event | None = None
    questions: list[Question] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    probed: int = 0

    async def ask(self, question: Question) -> Answer:
        """See ``VisionModel``."""
        picture = hashlib.sha256(question.picture).hexdigest()
        self.questions.append(question)
        self.calls[picture] += 1
        if self.hold is not None:
            await self.hold.wait()
        self._fail(self.failing)
        told = self.results.get(picture, self.result)
        text = told if isinstance(told, str) else json.dumps(told)
        finish = "refused" if self.refusal else self.finish
        number = len(self.questions)
        return Answer(
            text="" if self.refusal else text,
            finish=finish,
            usage=self.usage,
            model=self.name,
            response_id=f"resp_{number}",
            refusal=self.refusal,
        )

    async def probe(self) -> None:
        """See ``VisionModel``."""
        self.probed += 1
        self._fail(self.probing or self.failing)

    async def close(self) -> None:
        """Has nothing to end."""

    def _fail(self, error: HeliographError | None) -> None:
        if self.away:
            raise ModelFailed("nobody answers", paid=False)
        if error is not None:
            raise error

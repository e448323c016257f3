"""How many tokens may still be used today. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PICTURE_TOKENS = 2_000
"""The most that a rendition of 1024 pixels and a prompt are counted as; models count some 1,200 for the picture."""
INSTALLATION = ""
"""The scope of the budget of all owners together."""


@dataclass(frozen=True)
class Limits:
    """Tokens a day (UTC), for one owner and for the installation; ``None`` is no limit."""

    owner: int | None = None
    installation: int | None = None

    def of(self, scope: str) -> int | None:
        """The limit of a scope: an owner, or ``INSTALLATION``."""
        return self.installation if scope == INSTALLATION else self.owner


def exceeded(charged: Mapping[str, int], tokens: int, limits: Limits) -> str | None:
    """The scope whose budget does not have ``tokens`` more, by what scopes were ``charged`` today. The first call of a day
    is let pass whatever it may use, unless the limit is 0: a budget smaller than a call must not block it for ever."""
    for scope, used in charged.items():
        limit = limits.of(scope)
        if limit is not None and (limit == 0 or (used > 0 and used + tokens > limit)):
            return scope
    return None

"""Who a request comes from and what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from heliograph_common.errors import Forbidden

IMAGES_READ = "images:read"
IMAGES_WRITE = "images:write"
ADMIN = "admin"
"""Implies every other scope."""


@dataclass(frozen=True)
class Principal:
    """``subject`` owns what is uploaded with the token; after ``expires_at`` (UTC) a live socket must be closed."""

    subject: str
    scopes: frozenset[str]
    expires_at: datetime

    @property
    def is_admin(self) -> bool:
        """Whether everything is allowed."""
        return ADMIN in self.scopes

    def require(self, scope: str) -> None:
        """Raises ``Forbidden``, naming the scope, unless the token has it or ``admin``."""
        if scope not in self.scopes and not self.is_admin:
            raise Forbidden(f"the token lacks the scope `{scope}`")

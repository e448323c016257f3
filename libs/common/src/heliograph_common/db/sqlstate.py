"""What an error of PostgreSQL says about the server: one table over SQLSTATE (appendix A of PostgreSQL's manual).

``engine`` and ``single`` ask. The class of the exception says too little: psycopg raises ``OperationalError`` both for a
server that shuts down and for a statement that is too complex, and ``InternalError`` for a server that became read-only.
"""

from __future__ import annotations

from enum import Enum


class Trouble(Enum):
    """Why the server did not do what it was told, where the statement is not at fault."""

    AWAY = "away"
    """This connection leads nowhere any more: try again over another one, which may find the new primary."""
    BUSY = "busy"
    """The server is there and could not do it now: try again later, this connection is as good as any."""


_TROUBLES = {
    "08": Trouble.AWAY,  # connection exception
    "25006": Trouble.AWAY,  # read-only: a standby, a primary that was demoted, or one that an administrator closed
    "25P03": Trouble.AWAY,  # idle in transaction for too long: the session is gone
    "25P04": Trouble.AWAY,  # transaction took too long: the session is gone
    "40001": Trouble.BUSY,  # serialization failure
    "40P01": Trouble.BUSY,  # deadlock
    "53": Trouble.BUSY,  # no disk, no memory, too many connections
    "55P03": Trouble.BUSY,  # lock_timeout
    # statement_timeout, or an administrator's pg_cancel_backend: only a translated message tells which, and both pass
    "57014": Trouble.BUSY,
    "57P": Trouble.AWAY,  # shutdown, crash, start-up, database dropped
}


def trouble(sqlstate: str | None) -> Trouble | None:
    """``None`` where the statement or its data are at fault, and trying again cannot help.

    ``sqlstate``: five characters, or ``None`` where the driver and not the server speaks: that is trouble only if there is
    no connection (any more), which the caller knows.
    """
    code = sqlstate or ""
    return next((found for prefix, found in _TROUBLES.items() if code.startswith(prefix)), None)

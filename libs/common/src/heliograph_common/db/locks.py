"""Advisory locks in PostgreSQL: all of them, so that no two have one number.

All but that of migrations are held to the end of a transaction. Locks on the keys of one content say who may name and who
may retire them: whoever writes a row that names such a key (``ingest.accept``, a renderer) shares the lock, and then looks
whether the key may still be used; ``ingest.collect`` has it alone while it looks for such rows and retires keys. Take it
before any row of an image is locked. Two contents may fall on one lock; then one waits for nothing.
"""

from __future__ import annotations

from enum import IntEnum

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_KEYS = 0x424C4F42  # "BLOB": the first of two numbers, the second is a hash of the content
_IMPORTS = 0x494D504F  # "IMPO": the second is a hash of the owner
_WORDS = 0x41534B57  # "ASKW": the second is a hash of the owner
_SHARE = text("SELECT pg_advisory_xact_lock_shared(:space, hashtext(:sha256))")
_OWN = text("SELECT pg_advisory_xact_lock(:space, hashtext(:sha256))")
_OWNER = text("SELECT pg_advisory_xact_lock(:space, hashtext(:owner))")
_WAIT = text("SELECT pg_advisory_xact_lock(:lock)")
_TRY = text("SELECT pg_try_advisory_xact_lock(:lock)")
_TRY_SESSION = text("SELECT pg_try_advisory_lock(:lock)")


class Lock(IntEnum):
    """What one process does at a time. A number never changes: replicas of two versions run side by side."""

    RECONCILE = 0x5245434F
    MIGRATE = 0x48454C494F
    DISPLAY_SIZES = 0x53495A45
    DISPATCH_IMPORTS = 0x494D5054
    DISPATCH_ANALYSES = 0x414E4C59
    DISPATCH_WORDS = 0x574F5244
    POPULATE_WORDS = 0x504F5057
    WORD_BUDGET = 0x42554447


async def hold(connection: AsyncConnection, lock: Lock) -> None:
    """Waits for the lock and holds it to the end of the transaction.

    Raises:
        DatabaseUnavailable: it was not to be had within the time that a statement may take.
    """
    await connection.execute(_WAIT, {"lock": lock})


async def try_hold(connection: AsyncConnection, lock: Lock) -> bool:
    """The same without waiting; whether it is held."""
    return bool((await connection.execute(_TRY, {"lock": lock})).scalar_one())


async def try_hold_for_session(connection: AsyncConnection, lock: Lock) -> bool:
    """The same for as long as the connection lives."""
    return bool((await connection.execute(_TRY_SESSION, {"lock": lock})).scalar_one())


async def share_keys(connection: AsyncConnection, sha256: str) -> None:
    """Keeps the keys of a content from being retired. Look at them in a statement after this one: a statement sees what was
    committed before it began, not what was while it waited for the lock."""
    await connection.execute(_SHARE, {"space": _KEYS, "sha256": sha256})


async def own_keys(connection: AsyncConnection, sha256: str) -> None:
    """Keeps rows that name the keys of a content from being written."""
    await connection.execute(_OWN, {"space": _KEYS, "sha256": sha256})


async def hold_imports(connection: AsyncConnection, owner: str) -> None:
    """Keeps other transactions from beginning imports of the owner."""
    await connection.execute(_OWNER, {"space": _IMPORTS, "owner": owner})


async def hold_words_asked(connection: AsyncConnection, owner: str) -> None:
    """Keeps other transactions from putting words in front for the owner. Take it when the word is held."""
    await connection.execute(_OWNER, {"space": _WORDS, "owner": owner})

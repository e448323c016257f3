"""What each error of PostgreSQL says about the server, over all that psycopg knows."""

from __future__ import annotations

from collections import defaultdict

import psycopg
import pytest

from heliograph_common.db.sqlstate import Trouble, trouble

AWAY, BUSY = Trouble.AWAY, Trouble.BUSY
SQLSTATES = sorted(
    {
        kind.sqlstate
        for kind in vars(psycopg.errors).values()
        if isinstance(kind, type) and issubclass(kind, psycopg.Error) and kind.sqlstate
    }
)
TROUBLES = {
    "08": {"000": AWAY, "001": AWAY, "003": AWAY, "004": AWAY, "006": AWAY, "007": AWAY, "P01": AWAY},
    "25": {"006": AWAY, "P03": AWAY, "P04": AWAY},
    "40": {"001": BUSY, "P01": BUSY},
    "53": {"000": BUSY, "100": BUSY, "200": BUSY, "300": BUSY, "400": BUSY},
    "55": {"P03": BUSY},
    "57": {"014": BUSY, "P01": AWAY, "P02": AWAY, "P03": AWAY, "P04": AWAY, "P05": AWAY},
}
"""By class; every code that is not named passes as it is."""


def test_the_table_covers_every_class_that_there_is() -> None:
    found: dict[str, dict[str, Trouble]] = defaultdict(dict)
    for sqlstate in SQLSTATES:
        if (verdict := trouble(sqlstate)) is not None:
            found[sqlstate[:2]][sqlstate[2:]] = verdict
    assert found == TROUBLES


@pytest.mark.parametrize("sqlstate", ["22P02", "23505", "40002", "42601", "42P01", "54001", "XX000", "00000"])
def test_what_the_statement_or_its_data_are_at_fault_for_passes(sqlstate: str) -> None:
    assert trouble(sqlstate) is None


def test_the_driver_s_own_errors_are_told_apart_by_the_connection() -> None:
    assert trouble(None) is None


def test_the_driver_s_classes_would_say_something_else() -> None:
    assert issubclass(psycopg.errors.StatementTooComplex, psycopg.OperationalError)
    assert not issubclass(psycopg.errors.ReadOnlySqlTransaction, psycopg.OperationalError)

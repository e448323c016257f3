"""Databases with as many image rows as P7 asks for, and the plans of statements in them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from heliograph_common.auth.tokens import issue_token
from heliograph_common.settings import AuthSettings
from heliograph_local.services import PROVISION
from heliograph_local.stack import Stack

OWNER = "measured"
SMALL_OWNER = "small"
"""Has the oldest 60 images and no other."""
_OTHERS = 1_000
_CHUNK = 250_000
_YEAR_MS = 365 * 86_400_000

# Ids are UUIDv7 of moments that are spread evenly over the last year; every second row is the measured owner's.
_IMAGES = """
INSERT INTO images (id, owner, name, source, sha256, bytes, mime_type, width, height, phash, caption, tags,
    processing_status, thumbnail_status, variant_status, processing_error, processing_completed_at, taken_at, created_at,
    updated_at)
SELECT (lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(n %% 4096), 3, '0') || '8' || substr(md5(n::text), 1, 15))::uuid,
    CASE WHEN n <= 60 THEN %(small)s WHEN n %% 2 = 0 THEN %(owner)s ELSE 'other-' || n %% %(others)s END,
    'picture-' || n || '.jpg',
    (ARRAY['upload', 'upload', 'google_drive', 'urls'])[1 + n / 2 %% 4],
    encode(sha256(n::text::bytea), 'hex'), 1000000, 'image/jpeg', 4000, 3000,
    ('x' || substr(md5('p' || n), 1, 16))::bit(64)::bigint,
    caption(n, %(total)s), tags(n),
    state, state, state, CASE WHEN state = 'failed' THEN 'broken' END, made, made, made, made
FROM (SELECT n, ms, to_timestamp(ms / 1000.0) AS made, CASE WHEN n / 2 %% 100 = 7 THEN 'failed' ELSE 'complete' END AS state
    FROM (SELECT n, (extract(epoch FROM now()) * 1000)::bigint - %(year)s + %(year)s / %(total)s * n AS ms
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS moments) AS rows
"""
# What the picture of a number shows. "heron" is on five of the measured owner's pictures, however many there are, "snow" on
# the oldest third of them all; every picture is of indoors or of outdoors, and none of both.
_TELLING = """
CREATE FUNCTION caption(n bigint, total bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT 'a ' || (ARRAY['red', 'green', 'blue', 'white', 'gray'])[1 + n / 2 % 5] || ' thing' || n / 2 % 1009
    || ' beside a thing' || n / 2 % 997 || CASE WHEN n % (total / 5) = 2 THEN ' and a heron' ELSE '' END
    || CASE WHEN n < total / 3 THEN ' in snow' ELSE '' END
$$;
CREATE FUNCTION tags(n bigint) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
SELECT ARRAY[CASE WHEN n / 2 % 2 = 0 THEN 'indoors' ELSE 'outdoors' END]
$$;
"""
# As the triggers would, in a fifth of the time: PostgreSQL's own parser finds the same words in these plain texts.
_DOCUMENTS = """
INSERT INTO image_documents (image_id, words)
SELECT id, to_tsvector('simple', concat_ws(' ', translate(name, '-.', '  '), caption, tags[1])) FROM images ORDER BY id
"""
_WORDS = """
INSERT INTO image_words (owner, word, image_id)
SELECT owner, word COLLATE "C" AS word, image_id
FROM image_documents JOIN images ON id = image_id, unnest(tsvector_to_array(words)) AS word
ORDER BY 1, 2, 3
"""
_RENDITIONS = """
INSERT INTO renditions (image_id, name, kind, width, height, format, bytes, key)
SELECT id, kind || '-300', kind, 300, 225, 'webp', 9000, 'renditions/' || sha256 || '/1/' || kind
FROM images, unnest(ARRAY['thumbnail', 'variant']) AS kind
"""


@dataclass(frozen=True)
class Grown:
    """A database of ``rows`` images: its URL for SQLAlchemy and for psycopg."""

    rows: int
    url: str
    libpq_url: str


@dataclass(frozen=True)
class Plan:
    """How PostgreSQL ran one statement: its nodes from the top, and 8 kB pages that it looked at."""

    nodes: str
    pages: int


def grow(stack: Stack, rows: int) -> Grown:
    """A new database in the stack's PostgreSQL, migrated and filled, with statistics."""
    name = f"growth_{rows}"
    with psycopg.connect(stack.postgres.url(), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    grown = Grown(rows, stack.postgres.url("postgresql+psycopg", name), stack.postgres.url(database=name))
    environment = stack.environment("provision") | {"HELIOGRAPH_DATABASE__URL": grown.url}
    subprocess.run([sys.executable, "-m", PROVISION], env=environment, check=True, capture_output=True)
    with psycopg.connect(grown.libpq_url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET maintenance_work_mem = '256MB'")
        connection.execute("SET work_mem = '256MB'")
        connection.execute(_TELLING)
        connection.execute("ALTER TABLE images DISABLE TRIGGER image_words_made")
        for first in range(1, rows + 1, _CHUNK):
            span = {"first": first, "last": min(first + _CHUNK - 1, rows), "total": rows, "year": _YEAR_MS}
            connection.execute(_IMAGES, span | {"owner": OWNER, "small": SMALL_OWNER, "others": _OTHERS})
        connection.execute(_RENDITIONS)
        connection.execute(_DOCUMENTS)
        connection.execute(_WORDS)
        connection.execute("ALTER TABLE images ENABLE TRIGGER image_words_made")
        connection.execute("VACUUM (ANALYZE)")
    return grown


def ids(grown: Grown, count: int) -> list[UUID]:
    """``count`` ids of the measured owner's complete images, spread over all of them."""
    statement = (
        "SELECT id FROM images WHERE owner = %s AND processing_status = 'complete' ORDER BY md5(id::text) LIMIT %s"
    )
    with psycopg.connect(grown.libpq_url) as connection:
        return [row[0] for row in connection.execute(statement, (OWNER, count)).fetchall()]


def token(stack: Stack, owner: str) -> str:
    """A token of ``owner``."""
    environment = stack.environment("provision")
    auth = AuthSettings(
        secret=environment["HELIOGRAPH_AUTH__SECRET"],
        issuer=environment["HELIOGRAPH_AUTH__ISSUER"],
        audience=environment["HELIOGRAPH_AUTH__AUDIENCE"],
    )
    return issue_token(auth, subject=owner, scopes=("images:read", "images:write"))


class Recorded:
    """Explains every statement that is run on ``connection`` within the block; ``plans`` has the outcome."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.plans: list[Plan] = []
        self._connection = connection
        self._statements: list[tuple[str, Any]] = []

    async def __aenter__(self) -> Recorded:
        event.listen(self._connection.sync_connection, "before_cursor_execute", self._note)
        return self

    async def __aexit__(self, *_: object) -> None:
        event.remove(self._connection.sync_connection, "before_cursor_execute", self._note)
        for statement, parameters in self._statements:
            if not statement.startswith("SET"):
                explained = await self._connection.exec_driver_sql(
                    f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters
                )
                found = explained.scalar_one()
                self.plans.append(_plan((json.loads(found) if isinstance(found, str) else found)[0]["Plan"]))

    def _note(self, _c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        self._statements.append((statement, parameters))


def _plan(node: dict[str, Any]) -> Plan:
    return Plan(" < ".join(_nodes(node)), node["Shared Hit Blocks"] + node["Shared Read Blocks"])


def _nodes(node: dict[str, Any]) -> list[str]:
    """From the top; of equal branches only the first."""
    index = (
        f" {node['Index Name']}"
        if "Index Name" in node
        else f" {node['Relation Name']}"
        if "Relation Name" in node
        else ""
    )
    below: list[str] = []
    for child in node.get("Plans", []):
        found = _nodes(child)
        if found[-1] not in below:
            below += found
    return [f"{node['Node Type']}{index}", *below]

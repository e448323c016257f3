"""Alembic runs this file. The connection comes from ``migrations.run``, which holds the lock and the transaction."""

from alembic import context

from heliograph_common.db.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_server_default=True,
    transactional_ddl=True,
)
context.run_migrations()

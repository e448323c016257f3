"""Alembic runs this file. The connection comes from ``migrations.run``, which holds the lock. Each script is a transaction,
so that one can leave it (``indexes.concurrent_index``)."""

from alembic import context

from heliograph_common.db.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_server_default=True,
    transactional_ddl=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()

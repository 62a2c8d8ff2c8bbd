"""Runs the revisions on the connection that holds the lock (ledger/migrate.py)."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()

"""How alembic runs the migrations: on the connection that it is given, in the transaction that is open there."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="meta",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()

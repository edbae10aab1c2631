"""The one way to SQLite and PostgreSQL: links, files, pauses between attempts, transactions and numbered migrations.

For the store, the stored projections, the relay's positions and the consumers' own tables. It
knows no table of theirs."""

"""What everything that keeps data in SQLite or PostgreSQL needs: the store, the stored projections, the relay and the consumers."""

"""Archive: sealed daily packages of every event, each chained to the day before. A witness beside the ledger's own
export."""

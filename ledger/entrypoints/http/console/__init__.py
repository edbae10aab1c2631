"""The console: what `career-ledger serve` shows to people. Pages are made here and work without JavaScript; nothing on
them is loaded from elsewhere."""

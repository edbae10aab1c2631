"""Treasury: one debt position per charge with a pagoPA-like life, payment notices fed back to the ledger, daily
reconciliation."""

"""The ledger over HTTP: what `career-ledger serve` answers. Its packages are those of the extra `serve`."""

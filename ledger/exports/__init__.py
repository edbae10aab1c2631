"""A whole ledger as a folder of files, and back into an empty database of either kind: the same bytes at the same
positions under the same root."""

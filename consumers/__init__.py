"""Downstream services, one folder each, and what they share (`kit`).

They read `ledger.wire`, the pure predicates of `ledger.domain` and `ledger.rulebooks`; never the ledger's database.
"""

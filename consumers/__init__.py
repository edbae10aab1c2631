"""Downstream services, one folder each, and what they share: the loop over the topics, their databases, metrics, command line.

They read `ledger.wire`, the pure predicates of `ledger.domain` and `ledger.rulebooks`; never the ledger's database.
"""

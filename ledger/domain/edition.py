"""The edition of the answers."""

EDITION = 7
"""Raise it when the same events and the same rule books give other answers than before: stored projections are then
made anew and every state is published again."""

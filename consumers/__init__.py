"""Downstream services: one folder each, and the loop that they share. None exists yet."""

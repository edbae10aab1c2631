"""Audits: what was recorded against the rules, and every derogation."""

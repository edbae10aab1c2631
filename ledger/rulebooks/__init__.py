"""The law as data: one file per academic year, its loader, and what can be shown of it."""

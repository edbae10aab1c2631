"""The law and the facts: pure functions between recorded events and answers. No clock, no storage, no transport."""

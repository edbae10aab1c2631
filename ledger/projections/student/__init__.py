"""Answers about one student: one module a question. Each computes it from the events that the
question sees; none keeps state."""

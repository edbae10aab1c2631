"""Answers: about one student, computed when they are asked for, and about everybody, from stored tables."""

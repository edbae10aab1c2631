"""Proofs: a Merkle tree over the stored bytes (RFC 6962), a map of students, signed checkpoints, and what shows them
to others.

`auditor.py` is the one that checks: a file of the standard library alone, which an auditor runs without this
package."""

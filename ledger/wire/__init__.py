"""The public, versioned messages: what leaves the ledger, what comes in, and the topics they travel on.

Both sides import it: the relay and the intake to write, the consumers to read. It knows the domain and nothing else.
"""

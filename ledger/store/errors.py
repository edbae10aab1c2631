"""What can go wrong with a store, in words that a person can act on."""


class VersionConflict(Exception):
    """Somebody else appended to the student's stream since it was read. Nothing was stored: read again and decide again."""


class StoreUnavailable(Exception):
    """The backend cannot be reached, or stopped in the middle. What was answered as accepted is stored; submitting the
    same lines again is safe, each is stored once."""


class StoreUnusable(Exception):
    """The backend answers but cannot serve as this ledger's store: not ours, of a newer version, full, read-only, or
    set up in a way that loses events. Trying again does not help."""

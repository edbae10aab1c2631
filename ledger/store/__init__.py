"""Where events are kept: one append-only log, a stream for each student, on SQLite or PostgreSQL."""

from .errors import ReadOnly, SetAside, SomeSetAside, StoreUnavailable, StoreUnusable, StreamSetAside, VersionConflict
from .event_store import EventStore
from .open import moved_in, open_store, upgrade_store
from .recorder import Identity, Refusal
from .subject import only, read_only_of

__all__ = ["EventStore", "Identity", "ReadOnly", "Refusal", "SetAside", "SomeSetAside", "StoreUnavailable",
           "StoreUnusable", "StreamSetAside", "VersionConflict", "moved_in", "only", "open_store", "read_only_of",
           "upgrade_store"]

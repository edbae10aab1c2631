"""What names a person: sealed under a key of her own, kept in a key store apart from the ledger, destroyed when she is
forgotten (docs/decisions/0011-sealed-data.md)."""

from .key_store import KeyStore, open_keys
from .sealer import KeySealer, open_sealer

__all__ = ["KeySealer", "KeyStore", "open_keys", "open_sealer"]

"""A sealed box: AES-256-GCM over what was taken out of an event, bound to the place where the event stands.

A box is base64(nonce || ciphertext || tag). The nonce is 12 random bytes, never derived: a version is used again after
a conflict, and one repeated nonce gives both texts away. The text is canonical JSON, padded with spaces to a multiple
of `BLOCK` bytes, so that its length tells little.
"""

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.domain.events import Event
from ledger.store.mapper import STORED_NAMES, UPCASTS, stream_id

FORM = "career-ledger/sealed.v1"
_encode = msgspec.json.Encoder(order="sorted").encode
"""`canonical_json` of texts and of lists of them, in a quarter of the time."""
NONCE, BLOCK, KEY = 12, 64, 32
"""Bytes."""


class DoesNotOpen(Exception):
    """Another key, another place, or changed bytes: they cannot be told apart."""


def bound_to(ledger: str, event: Event, name: str) -> bytes:
    """The place of an event: a box that was moved does not open. The id comes last, since it may hold any character."""
    return f"{FORM}\n{ledger}\n{stream_id(event.student).hex}\n{event.version}\n{name}\n{event.id}\n".encode()


def names_of(kind: str) -> list[str]:
    """The stored names that an event of this type may have been sealed under, today's first."""
    found = [STORED_NAMES[kind]]
    for name in found:
        found += [old for old, (follows, _) in UPCASTS.items() if follows == name]
    return found


def padded(values: Mapping[str, Any]) -> bytes:
    text = _encode(values)
    return text.ljust(len(text) + -len(text) % BLOCK)


def sealed(cipher: AESGCM, text: bytes, bound: bytes) -> bytes:
    """nonce || ciphertext || tag, for events, keys and texts alike."""
    nonce = secrets.token_bytes(NONCE)
    return nonce + cipher.encrypt(nonce, text, bound)


def opened(cipher: AESGCM, box: bytes, bound: bytes) -> bytes:
    """Raises DoesNotOpen."""
    try:
        return cipher.decrypt(box[:NONCE], box[NONCE:], bound)
    except (InvalidTag, ValueError):  # ValueError: too short for nonce or tag
        raise DoesNotOpen from None


def seal(cipher: AESGCM, ledger: str, event: Event, values: Mapping[str, Any]) -> str:
    bound = bound_to(ledger, event, STORED_NAMES[event.type])
    return b64encode(sealed(cipher, padded(values), bound)).decode()


def unseal(cipher: AESGCM, ledger: str, event: Event, box: str) -> dict[str, Any]:
    """Raises DoesNotOpen."""
    try:
        held = b64decode(box, validate=True)
    except ValueError:
        raise DoesNotOpen from None
    names = names_of(event.type)
    for name in names:
        try:
            values: dict[str, Any] = json.loads(opened(cipher, held, bound_to(ledger, event, name)))
            return values
        except DoesNotOpen:
            if name == names[-1]:
                raise
    raise DoesNotOpen

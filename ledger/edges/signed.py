"""Texts that somebody else keeps for us, such as the cursor of a next page: what comes back is what was given out."""

import base64
import hmac

_SIGNATURE = 16


def signed(text: bytes, key: bytes, about: bytes = b"") -> str:
    """For an address or JSON. `about`: what alone it is good for; signed with it, and not in it."""
    return base64.urlsafe_b64encode(_signature(text, key, about) + text).rstrip(b"=").decode()


def opened(given: str, key: bytes, about: bytes = b"") -> bytes | None:
    """The text; None where it is not one of ours, or is good for something else."""
    try:
        raw = base64.b64decode(given + "=" * (-len(given) % 4), b"-_", validate=True)
    except ValueError:
        return None
    signature, text = raw[:_SIGNATURE], raw[_SIGNATURE:]
    return text if hmac.compare_digest(signature, _signature(text, key, about)) else None


def _signature(text: bytes, key: bytes, about: bytes) -> bytes:
    return hmac.digest(key, about + b"\n" + text, "sha256")[:_SIGNATURE]

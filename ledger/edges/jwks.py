"""The keys that an issuer publishes (JWKS, RFC 7517)."""

from collections.abc import Container, Iterable
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key


def published_keys(held: Iterable[Any], kinds: Container[str]) -> dict[str, Key]:
    """Those of a set that check signatures, by `kid`, the first of each. Whatever else an issuer publishes is passed
    over: a key of a kind that comes into use must not take the others away."""
    found: dict[str, Key] = {}
    for one in held:
        if not isinstance(one, dict) or one.get("kty") not in kinds or one.get("use", "sig") != "sig" \
                or not isinstance(one.get("kid"), str):
            continue
        try:
            key = JWKRegistry.import_key({name: value for name, value in one.items() if name != "d"})
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        found.setdefault(one["kid"], key)
    return found

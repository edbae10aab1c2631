"""Signed tokens (JWT) of others: who signed one, and whether it is meant for us, now.

A token is believed by one of the keys that we hold for its issuer, named by `kid`, or by a certificate that one of
ours has signed; never by a key that the token itself names or brings. The algorithm is never the token's choice alone:
`none` and keyed hashes are not among those that are taken.
"""

import base64
import binascii
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from .fetch import Unanswered, fetched

ALGORITHMS = ("RS256", "ES256")
LONGEST, LATEST = 16_384, 1e11
"""Characters of a token; seconds of Unix time that it may name."""
APART_SECONDS = 30
"""So far may the issuer's clock be ahead of ours."""
FETCH_SECONDS, AGAIN_SECONDS, KEPT_SECONDS, AWAY_SECONDS = 3.0, 60.0, 3600.0, 30.0
"""Of keys: so long is waited for them, so soon are they asked for again where one is unknown, so long are they kept,
and so long nobody is asked who did not answer: every caller would wait for it."""


class BadToken(ValueError):
    """A word for programs and logs: it never holds anything of the token."""


class Wanted(NamedTuple):
    """Of a token: `kinds`: its `typ`, in lower case (empty: any). `issuer`: None: anybody, who proves it by the key.
    `claims`: that must be there, beside exp and iat."""

    audience: str
    kinds: frozenset[str] = frozenset()
    issuer: str | None = None
    claims: Sequence[str] = ()
    algorithms: Sequence[str] = ALGORITHMS


def header_of(token: str) -> dict[str, Any]:
    """Unverified. Raises BadToken."""
    return _part(token, 0)


def _part(token: str, number: int) -> dict[str, Any]:
    parts = token.split(".")
    if len(token) > LONGEST or len(parts) != 3:
        raise BadToken("no-token")
    try:
        found = json.loads(base64.b64decode(parts[number] + "=" * (-len(parts[number]) % 4), b"-_", validate=True))
    except (ValueError, UnicodeEncodeError, RecursionError):
        raise BadToken("no-token") from None
    if not isinstance(found, dict):
        raise BadToken("no-token")
    return found


def verified(token: str, key: Any, wanted: Wanted, now: datetime) -> dict[str, Any]:
    """The claims. `key`: a key of joserfc's. Raises BadToken."""
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jws import JWSRegistry

    header = header_of(token)
    if wanted.kinds and str(header.get("typ", "")).lower().removeprefix("application/") not in wanted.kinds:
        raise BadToken("token-type")
    if header.get("alg") not in wanted.algorithms:
        raise BadToken("token-algorithm")
    try:
        registry = JWSRegistry(algorithms=list(wanted.algorithms))
        registry.max_header_length = registry.max_payload_length = LONGEST  # a header with certificates is long
        claims = jwt.decode(token, key, registry=registry).claims
    except (JoseError, ValueError, TypeError, RecursionError):
        raise BadToken("token-signature") from None
    return _meant(claims, wanted, now)


def bound(token: str, wanted: Wanted, now: datetime) -> dict[str, Any]:
    """The claims of one whose digest a verified token states: its own signature is not looked at. Raises BadToken."""
    return _meant(_part(token, 1), wanted, now)


def _meant(claims: dict[str, Any], wanted: Wanted, now: datetime) -> dict[str, Any]:
    """For us, and now."""
    _timely(claims, now.timestamp())
    audience = claims.get("aud")
    if wanted.audience not in (audience if isinstance(audience, list) else [audience]):
        raise BadToken("token-audience")
    if wanted.issuer is not None and claims.get("iss") != wanted.issuer:
        raise BadToken("token-issuer")
    if any(not isinstance(claims.get(name), str) or not claims[name] or not claims[name].isprintable()
           for name in wanted.claims):  # half a surrogate pair is none either
        raise BadToken("token-claims")
    return claims


def _timely(claims: Mapping[str, Any], now: float) -> None:
    ends = _moment(claims.get("exp"))
    begins = max(_moment(claims.get("iat")), _moment(claims.get("nbf", 0)))
    if ends <= now:
        raise BadToken("token-expired")
    if begins > now + APART_SECONDS:
        raise BadToken("token-not-yet")


def _moment(given: Any) -> float:
    """Unix time. Raises BadToken."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) < LATEST:  # nor is NaN below it
        raise BadToken("token-claims")
    return given


def expires(claims: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(claims["exp"], timezone.utc)


class IssuerKeys:
    """Those of one issuer by `kid`, from a file or an https address."""

    def __init__(self, place: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._place, self._clock = place, clock
        self._keys: dict[str, Any] = {}
        self._asked = self._failed = float("-inf")

    def of(self, token: str) -> Any:
        """The key that the token names. Raises BadToken, and OSError where the keys cannot be had."""
        kid = header_of(token).get("kid")
        if not isinstance(kid, str):
            raise BadToken("token-key")
        age = self._clock() - self._asked
        if age > KEPT_SECONDS or (kid not in self._keys and age > AGAIN_SECONDS):
            self._ask()
        if kid not in self._keys:
            raise BadToken("token-key")
        return self._keys[kid]

    def _ask(self) -> None:
        if self._clock() - self._failed < AWAY_SECONDS:
            raise OSError(f"{self._place} did not give its keys a moment ago")
        try:
            self._keys = self._published()
        except OSError:
            self._failed = self._clock()
            raise
        self._asked = self._clock()

    def _published(self) -> dict[str, Any]:
        from .jwks import published_keys

        if self._place.startswith("https://"):
            try:
                status, text = fetched(self._place, seconds=FETCH_SECONDS)
            except Unanswered as error:
                raise OSError(str(error)) from None
            if status != 200:
                raise OSError(f"{self._place} answers {status}")
        else:
            text = Path(self._place).read_bytes()
        try:
            return published_keys(json.loads(text)["keys"], ("RSA", "EC"))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise OSError(f"{self._place} holds no keys") from None


class Certificates:
    """Of callers, or of those who sign theirs: a chain that ends in one of them is believed."""

    def __init__(self, pem: bytes) -> None:
        from cryptography import x509

        self._own = x509.load_pem_x509_certificates(pem)

    def key_of(self, token: str, now: datetime) -> Any:
        """The key of the certificate that the token brings in `x5c`. Raises BadToken."""
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
        from joserfc.jwk import import_key

        brought = header_of(token).get("x5c")
        if not isinstance(brought, list) or not 0 < len(brought) <= 5 or not all(
                isinstance(one, str) for one in brought):
            raise BadToken("token-certificate")
        try:
            chain = [x509.load_der_x509_certificate(base64.b64decode(one, validate=True)) for one in brought]
            if any(not one.not_valid_before_utc <= now <= one.not_valid_after_utc for one in chain):
                raise BadToken("token-certificate")
            for one, by in pairwise(chain):
                _signs(by)
                one.verify_directly_issued_by(by)
            last = chain[-1]
            if last not in self._own:
                issuer = next((one for one in self._own if one.subject == last.issuer), None)
                if issuer is None or not issuer.not_valid_before_utc <= now <= issuer.not_valid_after_utc:
                    raise BadToken("token-certificate")
                _signs(issuer)
                last.verify_directly_issued_by(issuer)
            public = chain[0].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            return import_key(public, "RSA" if header_of(token).get("alg") == "RS256" else "EC")
        except BadToken:
            raise
        except (binascii.Error, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            raise BadToken("token-certificate") from None


def _signs(certificate: Any) -> None:
    """It may sign others. Raises BadToken."""
    from cryptography import x509

    if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        raise BadToken("token-certificate")


def digest_header(body: bytes) -> str:
    """As `Digest` has it."""
    return "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()

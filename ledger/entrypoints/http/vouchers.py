"""Who may ask the e-services: the platform's voucher, the caller's signature of the message, and what tells on whose
behalf (ModI: ID_AUTH_REST_01 and _02, INTEGRITY_REST_01, tracking evidence)."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ledger.domain.form import wrong
from ledger.edges.tokens import BadToken, Certificates, IssuerKeys, Wanted, bound, digest_header, expires, verified
from ledger.edges.web import Request
from ledger.eservices.services import Asker
from ledger.rulebooks.loader import Misread, RuleBookError, read_file, read_plain, refusal, unreadable

SIGNATURE, TRACKING = b"agid-jwt-signature", b"agid-jwt-trackingevidence"
OURS_SECONDS = 60
"""So long does our signature of an answer hold."""
_Id = Annotated[str, Field(min_length=1, max_length=200)]
_Site = Annotated[str, Field(pattern=r"^https?://[^\s/]+(/[^\s]*[^\s/])?$", max_length=500)]
_Pattern = Literal["ID_AUTH_REST_01", "ID_AUTH_REST_02", "INTEGRITY_REST_01"]
ServiceName = Literal["ifs01", "ifs02", "ifs03", "ifs04", "ifs05", "ifs06", "ifs07", "ifs08", "ifs09"]


class SignsWith(BaseModel):
    """Files: the private key and our certificate, as PEM."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    key: _Id
    certificate: _Id


class Platform(BaseModel):
    """`keys`: its well-known set, an https address or a file. `audience`: the address under which the services are
    known there, to which each adds its name (`/ifs02`). `services`: the eserviceId of each; one that is not named is
    off. `callers`: a file with the certificates of callers, or of who signs them; needed where `patterns` ask for a
    signature."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    issuer: _Site
    keys: _Id
    audience: _Site
    producer: _Id
    services: Annotated[dict[ServiceName, _Id], Field(min_length=1)]
    patterns: tuple[_Pattern, ...] = ()
    callers: _Id | None = None
    signs_with: SignsWith | None = None

    @model_validator(mode="after")
    def _whom_to_believe(self) -> "Platform":
        if self.patterns and self.callers is None:
            raise wrong("eservices/no-callers", "callers")
        if "INTEGRITY_REST_01" in self.patterns and self.signs_with is None:
            raise wrong("eservices/no-signing-key", "signs_with")
        return self


def platform(file: Path) -> Platform:
    """Raises RuleBookError with line, field and what to write."""
    content = read_file(file)
    try:
        return Platform.model_validate(read_plain(str(file), content))
    except ValidationError as error:
        raise refusal(str(file), content, error) from None


class Admitted(NamedTuple):
    """`once`: of a token that counts only where it was not used before, its name and when it may be forgotten."""

    reader: Asker
    client: str
    once: tuple[str, datetime] | None


class VoucherGate:
    """Of one platform."""

    def __init__(self, file: Path, clock: Callable[[], datetime]) -> None:
        """Raises RuleBookError where the file, or one that it names, cannot be used."""
        self.platform, self._clock, folder = platform(file), clock, file.parent
        named = self.platform
        self._keys = IssuerKeys(named.keys if named.keys.startswith("https://") else str(folder / named.keys))
        self._callers = self._signer = None
        try:
            if named.callers is not None:
                self._callers = Certificates((folder / named.callers).read_bytes())
            if named.signs_with is not None:
                self._signer = _Signer((folder / named.signs_with.key).read_bytes(),
                                       (folder / named.signs_with.certificate).read_bytes())
        except OSError as error:
            raise RuleBookError(unreadable(str(error.filename), error)) from None
        except ValueError:
            from ledger.domain.phrases import says

            raise RuleBookError(Misread(str(file), None, "", says("eservices/no-pem"))) from None

    def admitted(self, service: ServiceName, request: Request) -> Admitted:
        """Raises BadToken, OSError (the platform's keys cannot be had)."""
        now, named = self._clock(), self.platform
        kind, _, token = request.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise BadToken("no-voucher")
        audience = f"{named.audience}/{service}"
        claims = verified(token, self._keys.of(token), Wanted(
            audience, frozenset({"at+jwt"}), named.issuer,
            ("sub", "client_id", "jti", "purposeId", "producerId", "consumerId", "eserviceId"), ("RS256",)), now)
        if "nbf" not in claims:
            raise BadToken("token-claims")
        if claims["sub"] != claims["client_id"]:
            raise BadToken("voucher-client")
        if claims["producerId"] != named.producer:
            raise BadToken("voucher-producer")
        if claims["eserviceId"] != named.services[service]:
            raise BadToken("voucher-service")
        if "cnf" in claims:  # bound to a key whose possession nobody proves here
            raise BadToken("voucher-bound")
        tracking = self._tracking(claims, request, audience, now)
        once = self._message(request, audience, now)
        said = {"purposeId": claims["purposeId"], "clientId": claims["client_id"], "jti": claims["jti"]}
        return Admitted(Asker(_short(claims["consumerId"]), tracking.get("userID"), " ".join(
            f"{name}={_short(value)}" for name, value in (said | tracking).items())), claims["client_id"], once)

    def _tracking(self, voucher: Mapping[str, Any], request: Request, audience: str, now: datetime) -> dict[str, str]:
        """What it says of who asks there, by a signature that is believed or by the digest that the voucher binds."""
        token, stated = request.headers.get(TRACKING, b"").decode("latin-1"), voucher.get("digest")
        if not token:
            if stated is not None:
                raise BadToken("no-tracking")
            return {}
        wanted = Wanted(audience, claims=("jti",))
        if stated is not None:
            digest = hashlib.sha256(token.encode("latin-1")).hexdigest()
            if not isinstance(stated, dict) or str(stated.get("value", "")).lower() != digest:
                raise BadToken("tracking-digest")
            claims = bound(token, wanted, now)
        elif self._callers is not None:
            claims = verified(token, self._callers.key_of(token, now), wanted, now)
        else:
            raise BadToken("tracking-signature")
        return {name: _short(claims[name]) for name in ("userID", "userLocation", "LoA") if isinstance(
            claims.get(name), str)}

    def _message(self, request: Request, audience: str, now: datetime) -> tuple[str, datetime] | None:
        patterns = self.platform.patterns
        if not patterns or self._callers is None:
            return None
        token = request.headers.get(SIGNATURE, b"").decode("latin-1")
        if not token:
            raise BadToken("no-signature")
        claims = verified(token, self._callers.key_of(token, now), Wanted(audience, claims=(
            ("jti",) if "ID_AUTH_REST_02" in patterns else ())), now)
        if "INTEGRITY_REST_01" in patterns:
            _whole(request, claims)
        if "ID_AUTH_REST_02" not in patterns:
            return None
        one = f"{claims.get('iss', '')}\n{claims['jti']}".encode(errors="replace")
        return hashlib.sha256(one).hexdigest(), expires(claims)

    def signed(self, body: bytes, type: str, client: str) -> tuple[tuple[bytes, bytes], ...]:
        """The headers of an answer."""
        digest = digest_header(body)
        if "INTEGRITY_REST_01" not in self.platform.patterns or self._signer is None:
            return ()
        return ((b"digest", digest.encode()), (b"agid-jwt-signature", self._signer.token({
            "iss": self.platform.producer, "sub": self.platform.producer, "aud": client, "jti": secrets.token_hex(16),
            "signed_headers": [{"digest": digest}, {"content-type": type}]}, self._clock()).encode()))


def _whole(request: Request, claims: Mapping[str, Any]) -> None:
    """The body is the one that was signed, byte for byte. Raises BadToken."""
    digest = request.headers.get(b"digest", b"").decode("latin-1").strip()
    if not hmac.compare_digest(digest.encode("latin-1"), digest_header(request.body).encode()):
        raise BadToken("digest")
    held = claims.get("signed_headers")
    said = {str(name).lower(): value for one in (held if isinstance(held, list) else []) if isinstance(one, dict)
            for name, value in one.items()}
    if said.get("digest") != digest or said.get("content-type") != request.headers.get(
            b"content-type", b"").decode("latin-1"):
        raise BadToken("signed-headers")


class _Signer:
    def __init__(self, key: bytes, certificate: bytes) -> None:
        """Raises ValueError."""
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding
        from joserfc.jwk import RSAKey

        self._key = RSAKey.import_key(key)
        self._x5c = [base64.b64encode(one.public_bytes(Encoding.DER)).decode()
                     for one in x509.load_pem_x509_certificates(certificate)]

    def token(self, claims: dict[str, Any], now: datetime) -> str:
        from joserfc import jwt

        moment = int(now.timestamp())
        return jwt.encode({"alg": "RS256", "typ": "JWT", "x5c": self._x5c},
                          claims | {"iat": moment, "nbf": moment, "exp": moment + OURS_SECONDS}, self._key)


def _short(text: str) -> str:
    """As it stands in a log."""
    return "".join(one if one.isprintable() else "?" for one in text)[:200]

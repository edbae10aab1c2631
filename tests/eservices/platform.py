"""The platform of the tests: its keys, its vouchers, a caller with a certificate, and requests that they sign."""

import base64
import hashlib
import json
import secrets
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import RSAKey

ISSUER, AUDIENCE, PRODUCER = "https://platform.test", "https://careers.test", "producer-1"
PATTERNS = ("ID_AUTH_REST_02", "INTEGRITY_REST_01")


@cache
def _private(name: str) -> rsa.RSAPrivateKey:
    """Making one takes a third of a second."""
    return rsa.generate_private_key(65537, 2048)


@cache
def key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


class Signer:
    """A key and a certificate of its own, signed by `by` or by itself."""

    def __init__(self, name: str, now: datetime, by: "Signer | None" = None, authority: bool = False) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.private = _private(name)
        issuer = by or self
        self.certificate = x509.CertificateBuilder().subject_name(self.name).issuer_name(issuer.name).public_key(
            self.private.public_key()).serial_number(x509.random_serial_number()).not_valid_before(
            now - timedelta(days=1)).not_valid_after(now + timedelta(days=30)).add_extension(
            x509.BasicConstraints(authority, None), True).sign(issuer.private, hashes.SHA256())
        self.pem = self.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                              serialization.NoEncryption())
        self.key = RSAKey.import_key(self.pem)

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def x5c(self) -> list[str]:
        return [base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()]


class Platform:
    def __init__(self, folder: Path, now: datetime, patterns: tuple[str, ...] = ()) -> None:
        self.now = now
        self.key = key("k1")
        self.authority = Signer("authority", now, authority=True)
        self.caller, self.ours = Signer("caller", now, self.authority), Signer("ours", now)
        (folder / "jwks.json").write_text(json.dumps({"keys": [self.key.as_dict(private=False)]}))
        (folder / "callers.pem").write_bytes(self.authority.certificate_pem)
        (folder / "ours.key").write_bytes(self.ours.pem)
        (folder / "ours.pem").write_bytes(self.ours.certificate_pem)
        self.file = folder / "eservices.yaml"
        services = "".join(f"  ifs{n:02d}: e-{n:02d}\n" for n in range(1, 10))
        signed = f"callers: callers.pem\npatterns: [{', '.join(patterns)}]\nsigns_with: {{key: ours.key, " \
                 "certificate: ours.pem}\n" if patterns else ""
        self.file.write_text(f"issuer: {ISSUER}\nkeys: jwks.json\naudience: {AUDIENCE}\nproducer: {PRODUCER}\n"
                             f"{signed}services:\n{services}")

    def claims(self, service: str, **more: Any) -> dict[str, Any]:
        moment = int(self.now.timestamp())
        found = {"iss": ISSUER, "aud": f"{AUDIENCE}/{service}", "sub": "client-1", "client_id": "client-1",
                 "purposeId": "purpose-1", "producerId": PRODUCER, "consumerId": "consumer-1",
                 "eserviceId": f"e-{service[3:]}", "descriptorId": "d", "iat": moment, "nbf": moment,
                 "exp": moment + 600, "jti": secrets.token_hex(8)} | more
        return {name: value for name, value in found.items() if value is not None}

    def voucher(self, service: str, header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        return jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": "k1"} | (header or {}),
                          self.claims(service, **claims), key or self.key, algorithms=["RS256", "PS256", "HS256"])

    def signature(self, service: str, body: bytes, by: Signer | None = None, **claims: Any) -> str:
        signer, moment = by or self.caller, int(self.now.timestamp())
        return jwt.encode({"alg": "RS256", "typ": "JWT", "x5c": signer.x5c}, {
            "iss": "client-1", "aud": f"{AUDIENCE}/{service}", "iat": moment, "nbf": moment, "exp": moment + 60,
            "jti": secrets.token_hex(8), "signed_headers": [
                {"digest": digest(body)}, {"content-type": "application/json"}]} | claims, signer.key)

    def headers(self, service: str, body: bytes, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.voucher(service)}", "Content-Type": "application/json",
                "Digest": digest(body), "Agid-JWT-Signature": self.signature(service, body)} | more


def digest(body: bytes) -> str:
    return "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()

"""Whoever signs a token and brings a certificate for it: it is believed where one of ours has signed that."""

import base64
import binascii
from datetime import datetime
from itertools import pairwise
from typing import Any

from .tokens import BadToken, header_of


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

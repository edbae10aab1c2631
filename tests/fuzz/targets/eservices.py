"""What is sent to the e-services: bodies as their files have them, and tokens of others."""

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime

from ledger.edges.tokens import BadToken, Wanted, bound, expires, header_of
from ledger.eservices.contract import SERVICES, Unasked, contract

from .target import Target, printable

NOW = datetime(2026, 3, 20, 9, tzinfo=UTC)
OPERATIONS = [(service, name) for service in SERVICES for name in contract(service).asks]


def body(given: bytes) -> None:
    """The first byte says which operation it is for."""
    service, operation = OPERATIONS[(given[0] if given else 0) % len(OPERATIONS)]
    try:
        found = contract(service).read(operation, given[1:])
    except Unasked as refusal:
        printable(refusal.told)
    else:
        json.dumps(found, allow_nan=False)


def token(given: bytes) -> None:
    text = given.decode("latin-1")
    with suppress(BadToken):
        header_of(text)
        expires(bound(text, Wanted("us", claims=("jti",)), NOW))


def _bodies() -> list[bytes]:
    return [bytes([number]) + json.dumps(one).encode() for number, one in enumerate((
        {"academic_year": "2023/2024", "cursor": None}, {"degree_course_code": "1"}, {"tax_code": "RSSMRA80A01F205X"}))]


def _tokens() -> list[bytes]:
    parts = ({"alg": "RS256", "kid": "k"}, {"aud": ["us"], "jti": "1", "iat": 1, "exp": 4e9})
    made = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in parts]
    return [b".".join([*made, b"c2ln"])]


TARGETS = (Target("eservices-body", body, _bodies), Target("eservices-token", token, _tokens))

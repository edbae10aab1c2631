"""Stands in for the state's platform where the e-services are tried out: `keys` makes its keys, `voucher SERVICE`
prints what a caller shows. It proves nothing to anybody."""

import json
import secrets
import sys
import time
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import RSAKey

KEY, SET = Path("platform.key"), Path("jwks.json")


def keys() -> None:
    made = RSAKey.generate_key(2048, {"kid": "trial", "use": "sig"})
    KEY.touch(0o600)
    KEY.write_bytes(made.as_pem(private=True))
    SET.write_text(json.dumps({"keys": [made.as_dict(private=False)]}))


def voucher(service: str) -> str:
    now = int(time.time())
    return jwt.encode(
        {"alg": "RS256", "typ": "at+jwt", "kid": "trial"},
        {"iss": "https://platform.example.org", "aud": f"https://careers.example.org/{service}", "sub": "client-1",
         "client_id": "client-1", "purposeId": "purpose-1", "producerId": "producer-1", "consumerId": "consumer-1",
         "eserviceId": f"eservice-{service}", "descriptorId": "1", "iat": now, "nbf": now, "exp": now + 600,
         "jti": secrets.token_hex(16)}, RSAKey.import_key(KEY.read_bytes()))


if __name__ == "__main__":
    if sys.argv[1:] == ["keys"]:
        keys()
    else:
        sys.stdout.write(f"Authorization: Bearer {voucher(sys.argv[2])}\n")

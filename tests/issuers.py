"""An identity provider within a test's own process: keys, tokens that hold and forged ones, and the sign-in of one
person, who is never asked."""

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode

from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from ledger.edges.door import Door, bound_to
from ledger.edges.web import Guard, Incoming, Request, Response, Routes, Server, json_body

AUDIENCE, CLIENT = "career-ledger-api", "desk"
RSA, EC, ED = (RSAKey.generate_key(2048, {"kid": "rsa"}), ECKey.generate_key("P-256", {"kid": "ec"}),
               OKPKey.generate_key("Ed25519", {"kid": "ed"}))
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa"})
"""Somebody else's key of the same name."""


def signed(claims: dict[str, Any], key: Key = RSA, algorithm: str = "RS256", **header: Any) -> str:
    given = {"alg": algorithm, "kid": key.kid, "typ": "at+jwt"} | header
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    return jws.serialize_compact({name: one for name, one in given.items() if one is not None},
                                 json.dumps(claims).encode(), key, registry=registry)


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class TakesForms(Guard):
    def wrong_type(self, head: Incoming) -> Response | None:
        return None


class Provider:
    """`person`: the claims of who signs in; None: she turns back."""

    def __init__(self) -> None:
        place = bound_to("127.0.0.1:0", Door(), "--listen")
        self.url = f"http://{place.address}"
        self.keys: list[Key] = [RSA, EC, ED]
        self.person: dict[str, Any] | None = {"sub": "p-1", "roles": ["registrar"]}
        self.asked: list[str] = []
        self.claims: dict[str, Any] = {}
        """What its tokens of a sign-in say instead."""
        self.answer: dict[str, str] = {}
        """What it sends the browser back with instead."""
        self._codes: dict[str, dict[str, Any]] = {}
        self.server = Server(self._routes, place, guard=TakesForms(Door()))

    def token(self, *, key: Key = RSA, algorithm: str = "RS256", header: dict[str, Any] | None = None,
              **claims: Any) -> str:
        """One that holds, for what is not given. A claim that is None is left out."""
        given = {"iss": self.url, "aud": AUDIENCE, "sub": "system-1", "exp": time.time() + 60,
                 "roles": ["service"]} | claims
        return signed({name: one for name, one in given.items() if one is not None}, key, algorithm, **(header or {}))

    @property
    def _routes(self) -> Routes:
        return {"/.well-known/openid-configuration": {"GET": self._about}, "/keys": {"GET": self._published},
                "/authorize": {"GET": self._authorize}, "/token": {"POST": self._token}}

    def _about(self, _: Request) -> Response:
        return Response(200, json_body({
            "issuer": self.url, "jwks_uri": f"{self.url}/keys", "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token", "authorization_response_iss_parameter_supported": True}))

    def _published(self, _: Request) -> Response:
        self.asked.append("keys")
        return Response(200, json_body({"keys": [key.as_dict(private=False) for key in self.keys]}))

    def _authorize(self, request: Request) -> Response:
        asked = {name: one for name, [one] in parse_qs(request.query.decode(), strict_parsing=True).items()}
        assert asked["response_type"] == "code"
        assert (asked["client_id"], asked["scope"], asked["code_challenge_method"]) == (CLIENT, "openid", "S256")
        answer = {"state": asked["state"], "iss": self.url}
        if self.person is None:
            answer["error"] = "access_denied"
        else:
            answer["code"] = code = b64(hashlib.sha256(asked["state"].encode()).digest())
            self._codes[code] = asked
        return Response(303, b"", headers=((b"location", (
            f"{asked['redirect_uri']}?{urlencode(answer | self.answer)}").encode()),))

    def _token(self, request: Request) -> Response:
        form = {name: one for name, [one] in parse_qs(request.body.decode(), strict_parsing=True).items()}
        asked = self._codes.pop(form["code"], None)
        challenge = b64(hashlib.sha256(form["code_verifier"].encode()).digest())
        if asked is None or challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"] or \
                request.headers.get(b"authorization") != b"Basic " + base64.b64encode(b"desk:s%2Fcret"):
            return Response(400, json_body({"error": "invalid_grant"}))
        claims = {"iss": self.url, "aud": CLIENT, "exp": time.time() + 60, "nonce": asked["nonce"]} | (
            self.person or {}) | self.claims
        return Response(200, json_body({"access_token": "opaque", "token_type": "Bearer", "id_token": signed(
            {name: one for name, one in claims.items() if one is not None}, typ="JWT")}))


@contextmanager
def provider() -> Iterator[Provider]:
    made = Provider()
    with made.server:
        yield made

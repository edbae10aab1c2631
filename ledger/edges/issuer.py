"""An identity provider (OpenID Connect) that says who asks: the tokens that programs show, and the sign-in of people.

Nothing that a token says of itself is believed before its signature, which must be by a key that the issuer publishes:
neither which algorithm is meant, nor where a key would be found (`jku`, `x5u`) or what it is (`jwk`, `x5c`).
"""

import asyncio
import base64
import hashlib
import json
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import Key

from .callers import ROLES, STUDENT, Begun, Caller, IssuerAway, NoRole, NotBelieved
from .door import IssuerAt, is_this_machine
from .fetch import Unanswered, fetched
from .jwks import published_keys

_KINDS = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
"""What each algorithm is signed with. The last two are the same: RFC 9864 gave it a name of its own."""
ALGORITHMS = tuple(_KINDS)
warnings.filterwarnings("ignore", "EdDSA is deprecated", SecurityWarning)
LEEWAY = 30
"""Seconds that the issuer's clock and ours may be apart."""
FLOOR_SECONDS, KEYS_SECONDS, KEPT_SECONDS = 30.0, 3600.0, 6 * 3600.0
"""Keys are not asked for more often than that; they are asked for again after that; and where the issuer is away, those
that are known count so long."""
LONGEST_SUBJECT = 255
READ = 2_000
"""Tokens that were read and are still good, in memory."""
ACCESS = frozenset({"at+jwt", "application/at+jwt", "jwt"})
"""What `typ` says of a token for an API (RFC 9068). Most issuers say `JWT` of each of theirs: then it must not be one
that was made for a sign-in."""


class Endpoints(NamedTuple):
    """Where the issuer has what (OpenID Connect Discovery). `names_itself`: in each answer to a browser."""

    authorize: str
    token: str
    keys: str
    names_itself: bool


class Issuer:
    """For one event loop. `fetch`: as `fetched`; `now`: Unix time."""

    def __init__(self, at: IssuerAt, fetch: Callable[..., tuple[int, bytes]] = fetched,
                 now: Callable[[], float] = time.time) -> None:
        self._at, self._fetch, self._now = at, fetch, now
        self._found: Endpoints | None = None
        self._keys: dict[str, Key] = {}
        self._tried = self._known = float("-inf")
        self._asking = asyncio.Lock()
        self._read: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)

    # Tokens of programs

    async def caller(self, token: str) -> Caller:
        """Whose token it is. Raises NotBelieved, NoRole, IssuerAway."""
        if (held := self._read.get(digest := hashlib.sha256(token.encode()).digest())) is not None:
            if self._now() < held[1] and self._since(self._known) < KEYS_SECONDS:
                return held[0]
            del self._read[digest]
        header, claims = await self._opened(token)
        kind = header.get("typ")
        if not isinstance(kind, str) or kind.lower() not in ACCESS or "nonce" in claims or "at_hash" in claims:
            raise NotBelieved("it is no access token")
        self._check(claims, self._at.audience)
        found = self._caller(claims)
        self._read[digest] = found, float(claims["exp"]) + LEEWAY
        if len(self._read) > READ:
            self._read.popitem(last=False)
        return found

    async def _opened(self, token: str) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """Header and claims, of which nothing is checked but the signature."""
        try:
            header = jws.extract_compact(token.encode()).headers()
        except (JoseError, ValueError):
            raise NotBelieved("it is no token") from None
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS or not isinstance(kid, str):
            raise NotBelieved(f"it must be signed with one of {', '.join(ALGORITHMS)}, and name its key (kid)")
        key = await self._key(kid)
        if key is None or key.key_type != _KINDS[algorithm] or key.alg not in (None, algorithm):
            raise NotBelieved("it is not signed with a key of our issuer")
        try:
            claims = json.loads(jws.deserialize_compact(token.encode(), key, [algorithm], self._registry).payload)
        except (JoseError, ValueError):
            raise NotBelieved("its signature does not hold") from None
        if not isinstance(claims, dict):
            raise NotBelieved("it holds no claims")
        return header, claims

    def _check(self, claims: Mapping[str, Any], audience: str) -> None:
        if claims.get("iss") != self._at.url:
            raise NotBelieved("it is another issuer's")
        meant = claims.get("aud")
        if audience not in (meant if isinstance(meant, list) else [meant]):
            raise NotBelieved("it is not meant for this program (aud)")
        now, begins = self._now(), [claims[name] for name in ("nbf", "iat") if name in claims]
        ends = claims.get("exp")
        if not all(map(_is_number, (ends, *begins))):
            raise NotBelieved("it does not say how long it is good (exp)")
        if ends is None or now >= ends + LEEWAY:
            raise NotBelieved("it has expired")
        if any(now < one - LEEWAY for one in begins):
            raise NotBelieved("it is not good yet")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
            raise NotBelieved("it names nobody (sub)")

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        """Raises NoRole."""
        said = _claim(claims, self._at.roles)
        named = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
        roles = frozenset(one for one in named if isinstance(one, str)) & ROLES
        student = _claim(claims, self._at.student)
        if not isinstance(student, str) or not student:
            roles, student = roles - {STUDENT}, None
        if not roles:
            raise NoRole
        return Caller(claims["sub"], roles, student if STUDENT in roles else None)

    # Keys

    async def _key(self, kid: str) -> Key | None:
        """Asked for again where it is not known: the issuer may have a new one."""
        if (found := self._keys.get(kid)) is not None and self._since(self._known) <= KEYS_SECONDS:
            return found
        async with self._asking:
            age = self._since(self._known)
            if (kid not in self._keys or age > KEYS_SECONDS) and self._since(self._tried) >= FLOOR_SECONDS:
                self._tried = now = self._now()
                try:
                    keys = await self._published()
                except IssuerAway:
                    if age > KEPT_SECONDS:
                        self._keys = {}
                        raise
                else:
                    self._keys, self._known = keys, now
                    self._read.clear()
            if not self._keys:
                raise IssuerAway
            return self._keys.get(kid)

    def _since(self, moment: float) -> float:
        """Seconds; for ever where the clock was put back since, so that what was asked then does not count for as long
        as it was ahead."""
        passed = self._now() - moment
        return passed if passed >= -LEEWAY else float("inf")

    async def _published(self) -> dict[str, Key]:
        held = await self._json((await self._there()).keys)
        keys = held.get("keys")
        return published_keys(keys if isinstance(keys, list) else (), _KINDS.values())

    async def _there(self) -> Endpoints:
        if self._found is None:
            told = await self._json(f"{self._at.url.rstrip('/')}/.well-known/openid-configuration")
            places = [told.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
            if told.get("issuer") != self._at.url or not all(isinstance(one, str) and self._is_safe(one)
                                                              for one in places):
                raise IssuerAway
            authorize, token, keys = map(str, places)
            self._found = Endpoints(authorize, token, keys,
                                told.get("authorization_response_iss_parameter_supported") is True)
        return self._found

    def _is_safe(self, url: str) -> bool:
        """Encrypted, or of this machine as the issuer itself."""
        parts = urlsplit(url)
        return parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(parts.hostname or ""))

    async def _json(self, url: str, content: bytes | None = None,
                    headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Raises IssuerAway; NotBelieved where it says no."""
        try:
            status, body = await asyncio.to_thread(self._fetch, url, content, headers)
            found = json.loads(body)
        except (Unanswered, ValueError):
            raise IssuerAway from None
        if status in (400, 401) and content is not None:
            raise NotBelieved("the issuer does not take the answer")
        if status != 200 or not isinstance(found, dict):
            raise IssuerAway
        return found

    # Sign-in of people

    async def begin(self, begun: Begun, redirect: str) -> str:
        """Where the browser goes to sign in. Raises IssuerAway."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
        there = await self._there()
        asked = urlencode({
            "response_type": "code", "client_id": self._at.client, "redirect_uri": redirect, "scope": "openid",
            "state": begun.state, "nonce": begun.nonce, "code_challenge": challenge, "code_challenge_method": "S256"})
        return f"{there.authorize}{'&' if '?' in there.authorize else '?'}{asked}"

    async def signed_in(self, begun: Begun, answer: Mapping[str, str], redirect: str) -> Caller:
        """Who has signed in, from what the issuer's page sent the browser back with. Raises NotBelieved, NoRole,
        IssuerAway."""
        there = await self._there()
        if answer.get("iss", None if there.names_itself else self._at.url) != self._at.url:
            raise NotBelieved("the answer is another issuer's")
        if "code" not in answer:
            raise NotBelieved("the issuer let nobody in")
        form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": redirect,
                "code_verifier": begun.verifier}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._at.secret is None:
            form["client_id"] = self._at.client
        else:
            said = f"{quote(self._at.client, safe='')}:{quote(self._at.secret, safe='')}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(said).decode()}"
        given = await self._json(there.token, urlencode(form).encode(), headers)
        token = given.get("id_token")
        if not isinstance(token, str):
            raise NotBelieved("the issuer named nobody")
        header, claims = await self._opened(token)
        if str(header.get("typ", "JWT")).lower() != "jwt":
            raise NotBelieved("it is no token of a sign-in")
        self._check(claims, self._at.client)
        meant = claims["aud"]
        if (isinstance(meant, list) and len(meant) > 1 and "azp" not in claims) or \
                claims.get("azp", self._at.client) != self._at.client:
            raise NotBelieved("it was made for another program (azp)")
        if claims.get("nonce") != begun.nonce:
            raise NotBelieved("it belongs to another sign-in")
        return self._caller(claims)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """`realm_access.roles` stands within `realm_access`, unless a claim has that very name."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found

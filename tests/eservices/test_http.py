"""The e-services over HTTP: who is let in, what is refused, and that both are in the access log."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OctKey

from ledger.bootstrap import Ledger
from ledger.edges import tokens
from ledger.edges.door import Door, bound_to
from ledger.edges.fetch import Unanswered
from ledger.edges.tokens import BadToken, Certificates, IssuerKeys, Wanted, verified
from ledger.edges.web import Server
from ledger.entrypoints.http import eservices as module
from ledger.entrypoints.http.eservices import EServices
from ledger.entrypoints.http.vouchers import VoucherGate
from ledger.entrypoints.http.who import Entrance
from ledger.eservices.contract import SERVICES
from ledger.rulebooks.loader import RuleBookError
from tests.entrypoints.test_serve import Client, Said

from .conftest import Clock
from .files import check, examples, operations
from .people import REFERENCE, enrolled, record, registered, tax_code
from .platform import AUDIENCE, PATTERNS, Platform, Signer, digest, key

CODE = tax_code(1)
BODY = json.dumps({"tax_code": CODE}).encode()
PATH = "/ifs02/academic-enrollments"


@contextmanager
def served(ledger: Ledger, platform: Platform, clock: Clock, keeper: ThreadPoolExecutor) -> Iterator[Client]:
    """`keeper`: as the key store is of the thread that opened it."""
    services = keeper.submit(ledger.eservices, REFERENCE).result()
    made = EServices(ledger, VoucherGate(platform.file, clock), services, keeper)
    place = bound_to("127.0.0.1:0", Door(b"x" * 32), "--listen")
    with Server(made.routes, place, guard=Entrance(place, made.table)):
        yield Client(place.port)
    keeper.submit(ledger.close).result()


@pytest.fixture
def platform(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Platform:
    monkeypatch.setattr(module, "clock", clock)
    return Platform(tmp_path, clock.now, PATTERNS)


@pytest.fixture
def client(ledger: Ledger, platform: Platform, clock: Clock) -> Iterator[Client]:
    record(ledger, [registered("S", 1), *enrolled("S")])
    ledger.close()
    with ThreadPoolExecutor(1) as keeper, served(ledger, platform, clock, keeper) as made:
        yield made


def ask(client: Client, platform: Platform, path: str = PATH, body: bytes = BODY, **more: str) -> Said:
    return client(path, "POST", body, platform.headers(path[1:6], body, **more))


def noted(ledger: Ledger) -> list[tuple[str, str, str | None]]:
    """Of nobody in particular: who, what, why."""
    keys = ledger._needed_sealer().keys
    return [(who, what, keys._heard(keys._own, said, at, None)["purpose"]) for at, who, what, said in
            keys.backend.single("SELECT at, who, what, purpose FROM access_log WHERE student IS NULL ORDER BY number")]


def test_answer_is_signed_and_the_read_is_in_the_log(client: Client, platform: Platform, ledger: Ledger,
                                                      clock: Clock) -> None:
    found = ask(client, platform)
    assert found.status == 200, found.body
    check("ifs02", "academic-enrollments", found.json)
    assert found.json["enrollments"][0]["degree_course_code"] == "D0101"
    assert found.headers["digest"] == digest(found.body)
    token = found.headers["agid-jwt-signature"]
    claims = verified(token, Certificates(platform.ours.certificate_pem).key_of(token, clock.now), Wanted("client-1"),
                      clock.now)
    assert claims["signed_headers"] == [{"digest": digest(found.body)}, {"content-type": "application/json"}]
    [read] = ledger.accesses("S")
    assert (read["who"], read["what"]) == ("consumer-1", "ifs02/academic-enrollments")
    assert "purposeId=purpose-1" in read["why"]


def test_status_needs_no_voucher(client: Client) -> None:
    for service in SERVICES:
        found = client(f"/{service}/status", headers={"Authorization": ""})
        assert (found.status, found.body) == (204, b"")


SERVED = sorted(operations())


def test_examples_of_the_files_are_answered_as_they_say(client: Client, platform: Platform) -> None:
    for service, operation in SERVED:
        for one in examples(service, operation, "request"):
            if "cursor" in one or operation == "educational-offering-detail":  # cursors and codes of others
                continue
            found = ask(client, platform, f"/{service}/{operation}", json.dumps(one).encode())
            assert found.status == 200, (operation, found.body)
            check(service, operation, found.json)


Wrong = Callable[[Platform], dict[str, str]]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def unsigned(platform: Platform) -> dict[str, str]:
    head, claims = (base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in (
        {"alg": "none", "typ": "at+jwt", "kid": "k1"}, platform.claims("ifs02")))
    return bearer(f"{head}.{claims}.")


def own_key(platform: Platform) -> dict[str, str]:
    """A key that the token brings itself."""
    mine = key("mine")
    return bearer(platform.voucher("ifs02", {"jwk": mine.as_dict(private=False)}, mine))


def keyed(platform: Platform) -> dict[str, str]:
    return bearer(platform.voucher("ifs02", {"alg": "HS256"}, OctKey.generate_key(256)))


def half_a_pair(platform: Platform) -> dict[str, str]:
    """JSON can name what no database keeps, and nobody can write again."""
    claims = json.dumps(platform.claims("ifs02", sub="\ud800", client_id="\ud800"))
    return bearer(jws.serialize_compact({"alg": "RS256", "typ": "at+jwt", "kid": "k1"}, claims.encode(), platform.key))


VOUCHERS: dict[str, Wrong] = {
    "no-voucher": lambda _: {"Authorization": ""},
    "no-token": lambda _: bearer("x.y"),
    "token-type": lambda p: bearer(p.voucher("ifs02", {"typ": "JWT"})),
    "token-algorithm": keyed, "token-algorithm ": unsigned,
    "token-algorithm  ": lambda p: bearer(p.voucher("ifs02", {"alg": "PS256"})),
    "token-key": lambda p: bearer(p.voucher("ifs02", {"kid": "k2"})),
    "token-signature": own_key,
    "token-expired": lambda p: bearer(p.voucher("ifs02", exp=int(p.now.timestamp()))),
    "token-not-yet": lambda p: bearer(p.voucher("ifs02", nbf=int(p.now.timestamp()) + 60)),
    "token-claims": lambda p: bearer(p.voucher("ifs02", exp=None)),
    "token-claims ": lambda p: bearer(p.voucher("ifs02", jti=None)),
    "token-claims    ": lambda p: bearer(p.voucher("ifs02", exp=float("inf"))),
    "token-claims     ": lambda p: bearer(p.voucher("ifs02", exp=float("nan"))),
    "token-claims      ": lambda p: bearer(p.voucher("ifs02", jti="a\0b")),
    "token-claims       ": half_a_pair,
    "token-claims  ": lambda p: bearer(p.voucher("ifs02", nbf=None)),
    "token-issuer": lambda p: bearer(p.voucher("ifs02", iss="https://elsewhere.test")),
    "token-audience": lambda p: bearer(p.voucher("ifs02", aud=f"{AUDIENCE}/ifs03")),
    "voucher-client": lambda p: bearer(p.voucher("ifs02", sub="client-2")),
    "voucher-producer": lambda p: bearer(p.voucher("ifs02", producerId="producer-2")),
    "voucher-service": lambda p: bearer(p.voucher("ifs02", eserviceId="e-03")),
    "voucher-bound": lambda p: bearer(p.voucher("ifs02", cnf={"jkt": "x"})),
    "no-tracking": lambda p: bearer(p.voucher("ifs02", digest={"alg": "SHA256", "value": "0" * 64})),
    "tracking-digest": lambda p: bearer(p.voucher("ifs02", digest={"alg": "SHA256", "value": "0" * 64})) | {
        "Agid-JWT-TrackingEvidence": p.signature("ifs02", BODY)},
    "token-certificate": lambda p: {"Agid-JWT-Signature": p.signature("ifs02", BODY, Signer("stranger", p.now))},
    "token-certificate ": lambda p: {"Agid-JWT-Signature": p.signature(
        "ifs02", BODY, Signer("child", p.now, p.caller))},
    "token-expired ": lambda p: {"Agid-JWT-Signature": p.signature("ifs02", BODY, exp=int(p.now.timestamp()))},
    "token-audience ": lambda p: {"Agid-JWT-Signature": p.signature("ifs03", BODY)},
}
MESSAGES: dict[str, Wrong] = {
    "no-signature": lambda _: {"Agid-JWT-Signature": ""},
    "digest": lambda _: {"Digest": digest(b"{}")},
    "digest ": lambda p: {"Digest": "", "Agid-JWT-Signature": p.signature("ifs02", b"{}")},
    "signed-headers": lambda p: {"Agid-JWT-Signature": p.signature("ifs02", b"{}")},
    "signed-headers ": lambda p: {"Agid-JWT-Signature": p.signature("ifs02", BODY, signed_headers=[
        {"digest": digest(BODY)}, {"content-type": "text/plain"}])},
    "signed-headers  ": lambda p: {"Agid-JWT-Signature": p.signature("ifs02", BODY, signed_headers="x")},
}


def test_who_proves_nothing_is_refused_and_that_is_noted(client: Client, platform: Platform, ledger: Ledger) -> None:
    cases = VOUCHERS | MESSAGES
    for why, wrong in cases.items():
        found = ask(client, platform, **wrong(platform))
        assert (found.status, found.json["reason"]) == (401 if why in VOUCHERS else 400, why.strip())
        assert CODE not in found.body.decode()
    assert [(what, purpose.split()[1]) for _, what, purpose in noted(ledger) if purpose] == [
        ("ifs02/academic-enrollments", why) for why in dict.fromkeys(map(str.strip, cases))]
    assert ledger.accesses("S") == []


def test_who_proves_nothing_holds_up_no_recording_and_fills_no_table(ledger: Ledger, platform: Platform, clock: Clock,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    """While the recording thread is at something else he has his answer, and `/status` too."""
    ledger.close()
    with ThreadPoolExecutor(1) as keeper, served(ledger, platform, clock, keeper) as client:
        wrong = {"Authorization": "Bearer x.y"}
        assert ask(client, platform, **wrong).status == 401
        busy = threading.Event()
        keeper.submit(busy.wait)
        for headers in (wrong, wrong):
            assert ask(client, platform, **headers).json["reason"] == "no-token"
        assert client("/ifs02/status").status == 204
        busy.set()
        assert len(noted(ledger)) == 1
        monkeypatch.setattr(module, "NOTED_SECONDS", 0.0)
        ask(client, platform, **wrong)
        assert [purpose for _, _, purpose in noted(ledger)] == ["401 no-token -", "401 no-token - and 2 like it since"]


def test_body_that_was_changed_under_its_signature_is_refused(client: Client, platform: Platform) -> None:
    headers = platform.headers("ifs02", BODY)
    assert client(PATH, "POST", BODY + b" ", headers).json["reason"] == "digest"
    assert client(PATH, "POST", BODY, headers).status == 200


def test_signature_counts_once_also_for_another_process(client: Client, platform: Platform, ledger: Ledger,
                                                        clock: Clock) -> None:
    headers = platform.headers("ifs02", BODY)
    assert client(PATH, "POST", BODY, headers).status == 200
    assert client(PATH, "POST", BODY, headers).json["reason"] == "token-replayed"
    assert ask(client, platform).status == 200  # another signature, and a voucher that may be used again
    [(token,)] = ledger._needed_sealer().keys.backend.single("SELECT count(*) FROM used_tokens")
    assert token == 2


def test_tracking_evidence_is_in_the_log(client: Client, platform: Platform, ledger: Ledger) -> None:
    evidence = platform.signature("ifs02", BODY, userID="clerk-7", userLocation="desk 3", LoA="3")
    bound = hashlib.sha256(evidence.encode()).hexdigest()
    for voucher in (platform.voucher("ifs02"), platform.voucher("ifs02", digest={"alg": "SHA256", "value": bound})):
        assert ask(client, platform, **bearer(voucher) | {"Agid-JWT-TrackingEvidence": evidence}).status == 200
    for read in ledger.accesses("S"):
        assert read["who"] == "clerk-7 (consumer-1)"
        assert "userLocation=desk 3" in read["why"]


def test_what_the_file_does_not_have_is_refused_and_that_is_noted(client: Client, platform: Platform,
                                                                  ledger: Ledger) -> None:
    for kind in ("application/xml", "text/plain", ""):
        assert ask(client, platform, **{"Content-Type": kind}).status == 415
    for body in (b"", b"{}", b"{", b'{"tax_code": "X"}', b'{"tax_code": "%s", "more": 1}' % CODE.encode()):
        found = ask(client, platform, body=body)
        assert found.status == 400
        assert CODE not in found.body.decode()
    assert [(who, purpose.split()[0]) for who, _, purpose in noted(ledger) if purpose] == [
        ("-", "415"), *[("consumer-1", "400")] * 5]


def test_keys_of_the_platform_are_asked_for_again_when_a_new_one_signs(ledger: Ledger, tmp_path: Path,
                                                                       clock: Clock) -> None:
    platform, now = Platform(tmp_path, clock.now), [0.0]
    keys = IssuerKeys(str(tmp_path / "jwks.json"), lambda: now[0])
    assert keys.of(platform.voucher("ifs02"))
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [platform.key.as_dict(private=False) | {"kid": "k9"}]}))
    new = platform.voucher("ifs02", {"kid": "k9"})
    with pytest.raises(BadToken):
        keys.of(new)
    now[0] = 61.0
    assert keys.of(new)
    with pytest.raises(BadToken):
        keys.of(platform.voucher("ifs02"))


def test_key_that_is_not_known_here_takes_the_others_not_away(tmp_path: Path, clock: Clock) -> None:
    platform = Platform(tmp_path, clock.now)
    held = json.loads((tmp_path / "jwks.json").read_text())["keys"]
    odd = [{"kty": "EC", "crv": "P-1", "x": "AA", "y": "AA", "kid": "a"}, {"kty": "RSA", "kid": "b"}, {"kty": "RSA"}, 3,
           None, {"kty": "RSA", "kid": ["c"], "n": "AQ", "e": "AQAB"}, {"kty": ["RSA"], "kid": "d"},
           {"kty": "AKP", "kid": "k1"}]
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [*odd, *held, held[0] | {"n": "AQ"}]}))
    assert IssuerKeys(str(tmp_path / "jwks.json")).of(platform.voucher("ifs02"))


def test_place_of_keys_that_does_not_answer_is_not_waited_for_by_everybody(tmp_path: Path, clock: Clock,
                                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever shows a token could have everybody wait, one after the other."""
    platform, now, asked = Platform(tmp_path, clock.now), [0.0], list[str]()

    def fetch(url: str, **_: Any) -> tuple[int, bytes]:
        asked.append(url)
        if len(asked) < 3:
            raise Unanswered(url)
        return 200, (tmp_path / "jwks.json").read_bytes()

    monkeypatch.setattr(tokens, "fetched", fetch)
    keys = IssuerKeys("https://platform.example/keys", lambda: now[0])
    for begun, attempts in ((0.0, 1), (tokens.AWAY_SECONDS, 2)):
        now[0] = begun
        for _ in range(5):
            with pytest.raises(OSError, match=r"keys|answer"):
                keys.of(platform.voucher("ifs02"))
        assert len(asked) == attempts
    now[0] = 2 * tokens.AWAY_SECONDS
    assert keys.of(platform.voucher("ifs02"))


@pytest.mark.parametrize(("old", "new", "field"), [
    ("issuer: https", "issuer: ftp", "issuer"), ("producer: producer-1\n", "", "producer"),
    ("callers: callers.pem\n", "", "callers"), ("callers.pem", "none.pem", "none.pem"),
    ("callers.pem", "jwks.json", "PEM"), ("  ifs02:", "  ifs22:", "services")])
def test_file_that_is_wrong_is_refused_with_the_field(tmp_path: Path, clock: Clock, old: str, new: str,
                                                       field: str) -> None:
    platform = Platform(tmp_path, clock.now, PATTERNS)
    platform.file.write_text(platform.file.read_text().replace(old, new, 1))
    with pytest.raises(RuleBookError) as error:
        VoucherGate(platform.file, clock)
    assert field in str(error.value)


def test_voucher_is_valid_until_it_expires(client: Client, platform: Platform, clock: Clock) -> None:
    headers: dict[str, Any] = bearer(platform.voucher("ifs02"))
    clock.now += timedelta(seconds=599)
    platform.now = clock.now
    assert ask(client, platform, **headers).status == 200
    clock.now += timedelta(seconds=1)
    assert ask(client, platform, **headers).json["reason"] == "token-expired"

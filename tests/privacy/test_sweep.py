"""Marked values are sown through every way in, and then every byte that the system has written is searched: before a
person is forgotten they stand in sealed form only, and afterwards nowhere that a program of ours can open.

Not searched is what is meant to hold them: what the test itself has written (`given`), the submissions' topic and its
dead letters, which keep what was sent for as long as docs/privacy.md says, mail and the directory of addresses, and
what was shown to who gave a purpose (`shown`)."""

import json
import os
import re
import sqlite3
import tempfile
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing, suppress
from multiprocessing.util import get_temp_dir
from pathlib import Path
from random import Random
from shutil import rmtree
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import psycopg
import pytest
from click.testing import CliRunner

from consumers.database import Database
from consumers.notifications.__main__ import notifications
from ledger.bootstrap import today
from ledger.edges.program import FAULT, UNAVAILABLE
from ledger.entrypoints.cli import cli
from ledger.entrypoints.cli.options import FOUND, NOT_FOUND
from ledger.wire.kafka import COMPRESSION, PREFIX
from ledger.wire.topics import DEAD_LETTER, EVENTS, OUTCOMES, STATE, SUBMISSIONS
from tests.consumers.conftest import mailbox
from tests.consumers.notifications_bench import Mailbox
from tests.handling.histories import enrolled, lines, payment, submission, void
from tests.intake.conftest import Topics, answered
from tests.processes import LEDGER, Program
from tests.waiting import wait_for

from .sweep import Clean, Server, dump, files, found, segments, spellings, unmistakable, usual, written

__all__ = ["mailbox"]

HERS, OTHERS = "S-HERS", "S-OTHERS"
MEANT = ("given", "shown")
"""Folders of what is meant to hold the marks."""
LATER = ("after", "restored", "behind", "rotated", "noise")
"""Folders of what is shown once she is forgotten."""
SENT = (EVENTS, STATE, OUTCOMES)
DAY = "2026-03-02"
NAMES = ("ledger", "keys", "service")


class Marks:
    """What is sown of one person. `core` is in all of it but the day on which she was born and the address to which
    mail goes."""

    def __init__(self, student: str, core: str, post: str, born: str) -> None:
        self.student, self.core, self.born = student, core + student[2].lower(), born
        self.address = f"{post}{student[2].lower()}@students.example"

    def __call__(self, what: str) -> str:
        return f"{self.core}-{what}"


def act(marks: Marks, id: str, type: str, on: str = DAY, **data: Any) -> dict[str, Any]:
    one = submission(marks.student, f"{marks.student}-{id}", type, on, **data)
    if type.startswith(("ticket-", "person-")):
        del one["career"]
    return one


def person(marks: Marks, id: str, **changes: Any) -> dict[str, Any]:
    return act(marks, id, "person-registered", **{
        "given_name": marks("given"), "family_name": marks("family"), "tax_code": marks("code"),
        "former_tax_codes": [marks("former")], "birth_date": marks.born, "birth_place": marks("place"), "sex": "F",
        "person_id": marks.core.upper(), "email": f"{marks('email')}@students.example", "phone": marks("phone"),
        "address": marks("address"), "language": "it"} | changes)


def facts(marks: Marks, way: str) -> list[dict[str, Any]]:
    """What every way in takes: a ticket with its answer, today so that it is worth a mail, and a payment against a rule
    with a note."""
    on = today().isoformat()
    return [act(marks, f"{way}-opened", "ticket-opened", on, number=f"1{len(way)}", service="desk", context="fees",
                subject=marks(f"subject-{way}"), note=marks(f"note-{way}")),
            act(marks, f"{way}-closed", "ticket-closed", on, number=f"1{len(way)}", answer=marks(f"answer-{way}")),
            payment(marks.student, 1, id=f"{marks.student}-{way}-paid", effective_on=DAY, override={
                "rule": "PRN-1", "reason": marks(f"override-{way}"), "authority": "office"})]


def kept_out(marks: Marks, way: str) -> list[dict[str, Any]]:
    """What a rule refuses, and what is wrong in its form in each way in which an error may repeat a value."""
    wrong = {"day": {"birth_date": f"{marks.born} {marks.core}"}, "pattern": {"person_id": marks("id")},
             "choice": {"sex": marks("sex")}, "control": {"given_name": marks("\a")},
             "list": {"given_name": [marks("list")]}, "long": {"family_name": marks.core * 200},
             "half": {"family_name": marks("\ud800")}, "twice": {"former_tax_codes": [marks("former")] * 2},
             "object": {"phone": {marks("x"): 1}}, "name": {marks("field"): marks("value")}}
    return [
        act(marks, f"{way}-booked", "exam-booked", course="F9", held_on="2026-03-01", academic_year="2025-26",
            session="winter", calls_start_on="2026-01-08", mode="written", note=marks(f"refused-{way}")),
        act(marks, f"{way}-ground", "single-courses-enrolled", academic_year="2025-26", courses=[],
            reduction=marks(f"reduction-{way}")),
        act(marks, f"{way}-void", "event-voided", event="nothing", reason=marks(f"void-{way}"), authority="office"),
        act(marks, f"{way}-rule", "instalment-paid", charge="2025-26:instalment-2", amount="1.00") | {
            "override": {"rule": "NONE-1", "reason": [marks("z")], "authority": "office"}},
        act(marks, f"{way}-amount", "contribution-assessed", academic_year="2025-26", contribution="9,00",
            band=marks(f"band-{way}")),
        act(marks, f"{way}-moment", "ticket-opened", number="1", service="desk", context="fees", subject=marks("s"))
        | {"effective_on": f"2026-02-30 {marks.core}", "recorded_at": marks("moment")},
        *(person(marks, f"{way}-{what}", **changes) for what, changes in wrong.items()),
    ]


def torn(marks: Marks) -> list[bytes]:
    """What is no JSON, or names a field twice."""
    whole = json.dumps(person(marks, "torn")).encode()
    return [whole[:-20] + b"\n", whole.replace(b'"sex"', b"sex") + b"\n", whole.replace(b"given", b"\xff") + b"\n",
            whole.replace(b'"sex": "F"', f'"{marks("a")}": "{marks("b")}", "{marks("a")}": 1'.encode()) + b"\n"]


def imported(marks: Marks) -> list[dict[str, Any]]:
    """What has already happened, of every kind."""
    single = act(marks, "single", "single-courses-enrolled", academic_year="2025-26", reduction="detention",
                 courses=[{"code": "X1", "cfu": 6, "lectures_end_on": "2025-12-20"}], note=marks("single"))
    return [*facts(marks, "record"), person(marks, "person"), single | {"career": f"{marks.student}-C"},
            act(marks, "regime", "regime-changed", "2025-10-01", regime="part-time", academic_year="2025-26",
                category=marks("category")),
            act(marks, "band", "contribution-assessed", academic_year="2025-26", contribution="900.00",
                band=marks("band")),
            act(marks, "pause", "suspended", "2026-02-01", reason=marks("pause")),
            void(marks.student, f"{marks.student}-pause") | {"data": {
                "event": f"{marks.student}-pause", "reason": marks("voided"), "authority": "office"}}]


def text_of(lines_: list[dict[str, Any]]) -> bytes:
    return b"".join(lines(*lines_))


class House:
    """A ledger, its key store and the database of a service, on one kind of store, with all that they write."""

    def __init__(self, folder: Path, urls: dict[str, str], topics: Topics, server: Server | None) -> None:
        self.folder, self.urls, self.topics, self.server = folder, urls, topics, server
        self.core, self.post = unmistakable(), unmistakable()
        chance = Random(self.core)
        self.born = f"19{chance.randint(10, 39)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
        self.hers, self.others = (Marks(one, self.core, self.post, self.born) for one in (HERS, OTHERS))
        self._clean, self._clean_service = Clean(self.core, self.post, self.born), Clean(self.core, self.born)
        self._said = 0

    def out(self, where: str = "said") -> Path:
        self._said += 1
        return self.folder / where / f"{self._said:02}"

    def given(self, name: str, content: bytes) -> str:
        path = self.folder / "given" / name
        path.write_bytes(content)
        return str(path)

    def run(self, *words: str, to: str = "said", given: bytes = b"", **urls: str) -> int:
        """`career-ledger` in this process: its exit code. What it says goes to a file."""
        where = self.urls | urls
        done = CliRunner().invoke(cli, ["--db", where["ledger"], "--keys", where["keys"], *words], input=given)
        self.last = self.out(to)
        self.last.write_bytes(f"{words[0]} -> {done.exit_code}\n".encode() + done.stdout_bytes + done.stderr_bytes)
        return done.exit_code

    def program(self, *words: str, module: str = LEDGER, **environment: str) -> tuple[Program, Path]:
        """The same in a process of its own, and where it says what."""
        out = self.out()
        where = ["--db", self.urls["ledger"], "--keys", self.urls["keys"]] if module == LEDGER else []
        return Program(module, *where, *words, out=out, environment=os.environ | environment), out

    def copied(self, name: str, to: str) -> str:
        """A file-level copy of a database, as a backup is one."""
        url = self.urls[name]
        if self.server is None:
            path = self.folder / "databases" / f"{to}.db"
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as old, closing(sqlite3.connect(path)) as new:
                old.backup(new)
            path.chmod(0o600)
            return f"sqlite:///{path}"
        place, _, database = url.rpartition("/")
        self.server.copy(database, f"{to}_{database}")
        return f"{place}/{to}_{database}"

    def databases(self, service: bool) -> Iterator[tuple[str, bytes]]:
        """`service`: that of the service, else all others; of files also their copies."""
        if self.server is None:
            for where, content in files(self.folder / "databases"):
                if service == ("service" in where):
                    yield where, content
            return
        for name, url in self.urls.items():
            if service == (name == "service"):
                yield from self.server.pages(url.rpartition("/")[2])
                yield dump(url)

    def written(self) -> Iterator[tuple[str, bytes]]:
        """Everything but what is meant to hold the marks, and the database of the service."""
        yield from files(self.folder, *MEANT, "databases")
        yield from self.databases(service=False)
        yield from segments(self.topics.brokers, self.topics.prefix, SUBMISSIONS, DEAD_LETTER)
        for topic in SENT:
            for one in self.topics.read(topic):
                yield f"a message of {topic}", repr(one).encode()
        for one in self.topics.read(DEAD_LETTER):
            yield "why there is a dead letter", one.headers["dead_letter_error"]

    def finds(self) -> list[str]:
        """Where something sown stands that should not."""
        if self.server is not None:
            self.server.settle()
        everything = list(self.written())
        for kind in ("ledger", "keys", "said", *SENT):  # what holds her pseudonym is not empty or packed
            assert any(kind in where and HERS.encode() in content for where, content in everything), kind
        return [*self._clean.found(everything), *self._clean_service.found(self.databases(service=True)),
                *(f"{where}: the ground of a reduction" for where, content in everything
                  if re.search(rb"reduction\W{1,6}detention", content))]


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path, kafka_bootstrap: str, topic_prefix: str,
          monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    for name in (*MEANT, *LATER, "said", "temporary", "databases", "safe"):
        (tmp_path / name).mkdir()
    for name, value in {"CAREER_LEDGER_MASTER_KEY": str(tmp_path / "safe" / "master.key"), PREFIX: topic_prefix,
                        "CAREER_LEDGER_SIGNING_KEY": str(tmp_path / "safe" / "signing.key"),
                        COMPRESSION: "none",  # what is packed cannot be searched
                        "TMPDIR": str(tmp_path / "temporary")}.items():
        monkeypatch.setenv(name, value)
    get_temp_dir()  # of multiprocessing, which keeps it for as long as this process lives
    monkeypatch.setattr(tempfile, "tempdir", None)
    topics = Topics(kafka_bootstrap, topic_prefix)
    try:
        if request.param == "sqlite":
            yield House(tmp_path, {name: f"sqlite:///{tmp_path}/databases/{name}.db" for name in NAMES}, topics, None)
            return
        admin = request.getfixturevalue("postgres_admin")
        server = Server(admin)
        made = {name: f"{name}{topic_prefix[:-1]}" for name in NAMES}
        with psycopg.connect(admin, autocommit=True) as link:
            try:
                for name in made.values():
                    link.execute(f"CREATE DATABASE {name}".encode())
                yield House(tmp_path, {name: f"{admin.rpartition('/')[0]}/{found}" for name, found in made.items()},
                            topics, server)
            finally:
                for [name] in link.execute("SELECT datname FROM pg_database WHERE datname LIKE %s",
                                           [f"%{topic_prefix[:-1]}"]).fetchall():
                    link.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
    finally:
        topics.close()


def sow(house: House) -> None:
    """By file and by standard input, one by one, whole and in bulk, in mode enforce and record."""
    both = house.hers, house.others

    def of_both(way: str) -> bytes:
        return b"".join(text_of([*facts(marks, way), *kept_out(marks, way)]) + b"".join(torn(marks)) for marks in both)

    assert house.run("append", "-", "--mode", "record", given=text_of([*enrolled(HERS), *enrolled(OTHERS)])) == 0
    for marks in both:  # she has no key yet
        assert house.run("history", marks.student, "--purpose", marks("early"), to="shown") == 0
    assert house.run("append", house.given("record", text_of([*imported(house.hers), *imported(house.others)])),
                     "--mode", "record") == 0
    assert house.run("append", "-", "--json", given=of_both("stdin")) == FOUND
    assert house.run("append", house.given("atomic", b"".join(
        text_of(facts(marks, "atomic")) + torn(marks)[0] for marks in both)), "--atomic") == FOUND
    assert house.run("append", house.given("bulk", of_both("bulk")), "--mode", "record", "--bulk") == FOUND
    # somebody else's tax code, and another text under an id that is taken
    assert house.run("append", "-", given=text_of([
        person(house.hers, "stolen", tax_code=house.others("code")),
        person(house.hers, "person", given_name=house.hers("changed"))])) == FOUND


def sow_what_was_opened(house: House) -> None:
    """An export that was made with a purpose comes back."""
    assert house.run("history", OTHERS, "--purpose", house.others("purpose"), "--json", to="shown") == 0
    opened = [json.loads(one) for one in house.last.read_bytes().splitlines()[1:]]
    assert all(house.others(what) in house.last.read_text() for what in (
        "category", "answer-bulk", "override-stdin", "given", "single", "band", "voided"))
    last = opened[-1]
    closed, registered = (next(one for one in opened if one["type"] == kind) | {
        "id": f"again-{kind}", "version": last["version"] + 1, "recorded_at": last["recorded_at"]}
        for kind in ("ticket-closed", "person-registered"))
    assert house.run("append", house.given("again", text_of([registered, closed, closed])), "--mode", "record",
                     "--trusted", "--json") == FOUND
    assert re.findall(r'"outcome": "([a-z]+)"', house.last.read_text()) == ["invalid", "accepted", "duplicate"]


def sow_through_the_intake(house: House) -> None:
    persons = (house.hers, house.others)
    sent = [one for marks in persons for one in (*facts(marks, "intake"), *kept_out(marks, "intake"),
                                                 person(marks, "intake"))]
    house.topics.submit(*sent)
    letters = [(marks.student.encode(), one) for marks in persons for one in torn(marks)]
    letters += [(b"S-NOBODY", json.dumps(person(house.hers, "key")).encode())]
    house.topics.send(*letters)
    process, out = house.program("intake", "--kafka", house.topics.brokers, "--metrics-port", "0",
                                 CAREER_LEDGER_LOG="json")
    try:
        answered(house.topics, len(sent) + len(letters))
        (house.folder / "said" / "metrics-of-the-intake").write_bytes(metrics(out))
        process.terminate()
        assert process.wait(120) == 0
    finally:
        process.kill()
    assert house.topics.count(DEAD_LETTER) == len(letters)


def metrics(out: Path) -> bytes:
    """Of a program that has said on which port."""
    found = re.search(r"metrics on port (\d+)", out.read_text())
    assert found is not None
    with urlopen(f"http://127.0.0.1:{found[1]}/metrics", timeout=10) as answer:
        told: bytes = answer.read()
    assert b"# TYPE" in told
    return told


def kill_in_the_middle(house: House) -> None:
    """Two lines are recorded, and half of the third has come, when the program is killed."""
    pipe = house.folder / "given" / "pipe"
    os.mkfifo(pipe)
    process, out = house.program("append", str(pipe), "--json")
    opened: list[int] = []

    def is_read() -> bool:
        with suppress(OSError):  # by nobody yet: to wait for who has failed would be without end
            opened.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(opened)

    wait_for(is_read)
    with os.fdopen(opened[0], "wb", buffering=0) as end:
        end.write(text_of(facts(house.hers, "crash"))[:-40])
        wait_for(lambda: b"crash-closed" in out.read_bytes())
        assert re.search(r"Max core file size +0 ", Path(f"/proc/{process.pid}/limits").read_text())
        process.kill()
        process.wait(120)


def fail_unforeseen(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*given: object) -> None:
        raise RuntimeError(repr(given))

    with monkeypatch.context() as patched:
        patched.setattr("ledger.handling.submit.decide", failing)
        assert house.run("append", "-", given=text_of(facts(house.hers, "fault"))) == FAULT
    assert "RuntimeError at" in house.last.read_text()


def test_every_spelling_of_a_mark_is_found_and_nothing_else() -> None:
    mark = unmistakable()
    for text in (mark, f"Zoë {mark}", f"a b {mark.upper()} c"):
        for content in (text.encode(), text.encode("utf-16-le"), json.dumps(text).encode(), quote(text).encode(),
                        text.encode().hex().encode(), *(b64encode(b"x" * n + text.encode()) for n in range(4)),
                        urlsafe_b64encode(text.encode("utf-16-be"))):
            assert found([("here", b"\xff" + content + b"\0")], mark), content
    assert not found([("here", repr(spellings(unmistakable())).encode())], mark)


def test_what_was_searched_and_is_clean_is_passed_over_and_what_is_not_is_found_each_time(tmp_path: Path) -> None:
    mark = unmistakable()
    clean = Clean(mark)
    for _ in range(2):
        assert len(clean.found([("here", b"nothing"), ("there", mark.encode()), ("elsewhere", b"nothing")])) == 1
    with (tmp_path / "index").open("wb") as file:
        file.truncate(1 << 24)
        for place in (1 << 20, 1 << 23):
            file.seek(place)
            file.write(mark.encode())
    assert written(tmp_path / "index").count(mark.encode()) == 2


def ask(house: House) -> None:
    """What answers, prints and copies without a purpose."""
    assert house.run("project") == 0
    assert house.run("history", HERS, "--json") == 0
    assert b'"sealed"' in house.last.read_bytes()
    proof = house.folder / "said" / "proof"
    for words in (("audit",), ("status", HERS), ("fees", HERS), ("digests",),
                  ("projection", "verify", "--workers", "1"), ("keys", "sign", "test.example/careers"),
                  ("checkpoint",), ("prove", HERS, "--full", "--to", str(proof)), ("keys", "doctor"),
                  ("doctor", "--kafka", house.topics.brokers), ("config", "show")):
        assert house.run(*words) in (0, FOUND), words
    assert HERS.encode() in proof.read_bytes()


def show(house: House, to: str, purpose: str = "an audit", first: int = 5, **urls: str) -> list[int]:
    """What a program of ours opens for who gives a purpose: the exit codes of the `first` ways. `to`: the folder for
    what it says."""
    folder = house.out(to)
    return [house.run(*words, "--purpose", purpose, to=to, given=given.encode(), **urls)
            for words, given in (
                (("person", HERS), ""), (("history", HERS, "--json"), ""), (("lookup", "name"), house.hers("family")),
                (("lookup", "tax-code"), house.hers("former")),
                (("disclose", HERS, "--to", str(folder)), ""))[:first]]


def office(house: House, mailbox: Mailbox) -> Program:
    """The notifications at work, with both addresses; the mail server does not take one of them, and repeats it."""
    csv = "student,email,language\n" + "".join(
        f"{one.student},{one.address},it\n" for one in (house.hers, house.others)) + f"S-WRONG,{house.post} wrong,it\n"
    done = CliRunner().invoke(notifications, ["directory", "import", "--db", house.urls["service"], "-"], input=csv)
    house.out().write_bytes(done.stdout_bytes + done.stderr_bytes)
    assert '"new": 2' in done.stdout
    assert '"wrong": 1' in done.stdout
    mailbox.refuse[house.others.address] = f"550 nobody is called {house.others.address}"
    process, out = house.program(
        "run", "--db", house.urls["service"], "--kafka", house.topics.brokers, "--smtp", f"127.0.0.1:{mailbox.port}",
        "--sender", "no-reply@office.example", "--metrics-port", "0", module="consumers.notifications")
    wait_for(lambda: bool(mailbox.mails) and b"550" in out.read_bytes())
    (house.folder / "said" / "metrics-of-the-office").write_bytes(metrics(out))
    return process


def published(house: House) -> None:
    process, _ = house.program("publish", "--once", "--kafka", house.topics.brokers, "--partitions", "4")
    assert process.wait(120) == 0


def rows_of_hers(house: House) -> list[str]:
    """The tables of the service in which she stands, by pseudonym or by address."""
    with Database(house.urls["service"]) as own:
        tables = own.ask("SELECT name FROM sqlite_master WHERE type = 'table'" if house.server is None else
                         "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return sorted(table for [table] in tables for row in own.ask(f"SELECT * FROM {table}")
                      if HERS in repr(row) or house.hers.address in repr(row))


def test_what_was_sown_stands_sealed_only_and_once_she_is_forgotten_nothing_of_ours_opens_it(
        house: House, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert house.run("keys", "new") == 0
    sow(house)
    sow_what_was_opened(house)
    sow_through_the_intake(house)
    fail_unforeseen(house, monkeypatch)
    kill_in_the_middle(house)
    published(house)
    ask(house)
    notifying = office(house, mailbox)
    try:
        assert {mail["To"] for mail in mailbox.mails} == {house.hers.address}
        assert show(house, "shown", house.hers("purpose")) == [0] * 5
        old = {"keys": house.copied("keys", "old"), "ledger": house.copied("ledger", "older")}
        assert house.finds() == []

        rmtree(house.folder / "shown")  # it is hers now
        reason = house.given("reason", house.hers("asked for it").encode())
        assert house.run("forget", HERS, "--authority", "Rector", "--authority", "Officer", "--reason", reason,
                         "--even-if-open", "--json") == 0
        told = json.loads(house.last.read_bytes().partition(b"\n")[2])
        assert told["refusals"] > 5
        assert told["in_the_clear"] == 0
        published(house)
        wait_for(lambda: rows_of_hers(house) == ["notifications_erased"])
        notifying.terminate()
        assert notifying.wait(120) == 0
    finally:
        notifying.kill()
    if house.server is None:
        assert found(house.databases(service=True), house.hers.address) == []
    gone = [0, 0, NOT_FOUND, NOT_FOUND, 0]
    assert show(house, "after") == gone
    assert house.run("access", HERS) == 0
    # under the same master key; the first to open it forgets her again, so that the look-ups are asked next
    assert show(house, "restored", first=4, keys=old["keys"]) == gone[:4]
    assert show(house, "behind", first=2, ledger=old["ledger"]) == gone[:2]  # it does not say that she was forgotten
    assert house.run("keys", "rotate") == 0
    assert show(house, "rotated", first=1) == gone[:1]
    assert show(house, "noise", first=1, **old) == [UNAVAILABLE]
    disclosed = json.loads(next(house.folder.glob("after/*/disclosure.json")).read_text())
    assert (disclosed["person"], disclosed["refused"]) == (None, [])
    (house.folder / "shown").mkdir()
    assert house.run("person", OTHERS, "--purpose", "still there", to="shown") == 0
    assert house.others("family") in house.last.read_text()
    assert house.finds() == []
    if house.server is not None:
        assert found(house.server.logs(), house.core, spelled=usual) == []

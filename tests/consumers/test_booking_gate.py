"""The gate's answers are the ledger's, and where it cannot be sure it does not answer."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from consumers.booking_gate.answers import NoAnswer
from consumers.booking_gate.form import head
from consumers.booking_gate.service import BookingGate
from consumers.database import Database
from consumers.kit import service as service_module
from consumers.kit.erasure import erase
from consumers.kit.service import Ahead
from ledger.bootstrap import open_ledger
from ledger.domain.books import LawBooks
from ledger.domain.events import Event, ExamBooked, payload_json
from ledger.projections.student import eligibility
from ledger.wire.message import Message, encode
from ledger.wire.reading import UnknownType, Unreadable
from ledger.wire.state import CareerState
from ledger.wire.topics import STATE
from ledger.words import told
from tests.projections.populations import BOOKS, a_debtor, population, streams, submission
from tests.rules.runner import History, _Run
from tests.rules.test_histories import FOUND
from tests.wire.test_state import _calls

from .gate import NOW, Fed, a_call, as_question, heartbeat, portal
from .support import changed, state_messages

ASKED = [(name, history) for name, history in FOUND if any(check.eligibility for check in history.checks)]


def without_knowledge(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "knowledge"}


class _Witness:
    """A ledger that has every answer about eligibility checked against the gate's."""

    def __init__(self, ledger: Any, fed: Fed) -> None:
        self._ledger, self._fed = ledger, fed
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def eligibility(self, student: str, on: date, career: str, call: ExamBooked,
                    known_at: Any = None) -> dict[str, Any]:
        expected: dict[str, Any] = told(self._ledger.eligibility(student, on, career, call, known_at))
        self._fed.forget()
        self._fed.take(state_messages(self._ledger._known(student, known_at, None), student, self._ledger.books))
        found = self._fed.ask(student=student, on=on.isoformat(), career=career,
                              **payload_json(call))
        assert without_knowledge(found) == told(expected)
        self.asked += 1
        return expected


@pytest.mark.parametrize("history", [pytest.param(history, id=name) for name, history in ASKED])
def test_gate_answers_the_worked_histories_as_the_ledger_does(history: History, tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    with Database(f"sqlite:///{tmp_path}/gate.db") as own:
        fed = Fed(own)
        fed.know()
        witness = _Witness(ledger, fed)
        try:
            wrong = list(_Run(witness, history).failures())
        finally:
            ledger.close()
    assert not wrong, "\n".join([history.name, *wrong])
    assert witness.asked == sum(check.eligibility is not None for check in history.checks)


@pytest.fixture
def fed(own: Database) -> Fed:
    return Fed(own)


def a_student(position: int = 1) -> list[Event]:
    """One bachelor's, enrolled and paid, with a plan that has the course A."""
    from ledger.domain.submissions import recorded

    found = [*a_debtor("S1")[:2], submission("S1", "a4", "study-plan-approved", "2025-11-30",
                                             {"academic_year": "2025-26", "courses": [
        {"code": "A", "cfu": 6, "year": 1, "semester": 1, "lectures_end_on": "2025-12-20"}]})]
    return [recorded(one, one.recorded_at, n, None, (), position - 1 + n) for n, one in enumerate(found, 1)]


def a_state(position: int = 1) -> Message:
    [found] = state_messages(a_student(position), "S1", BOOKS)
    return found


def ask(fed: Fed, **changes: Any) -> dict[str, Any]:
    return fed.ask(student="S1", career="S1-B", **a_call(**changes))


def refusal_at(fed: Fed, now: datetime) -> NoAnswer:
    with pytest.raises(NoAnswer) as found:
        fed.ask(now, student="S1", career="S1-B", **a_call())
    return found.value


def refusal(fed: Fed, **changes: Any) -> NoAnswer:
    with pytest.raises(NoAnswer) as found:
        ask(fed, **changes)
    return found.value


def test_gate_answers_a_generated_population_as_the_ledger_does(fed: Fed) -> None:
    pick = random.Random(7)
    fed.know()
    asked = refused = 0
    events = {s: [e.placed(n) for n, e in enumerate(found, 1)] for s, found in streams(population(40, 9)).items()}
    for student, stream in events.items():
        for part in (stream[:len(stream) // 2], stream):  # a state, and the one that takes its place
            if not any(e.career for e in part):
                continue
            fed.take(state_messages(part, student, BOOKS))
            for call in _calls(part, pick):
                day = call.held_on - timedelta(days=pick.randint(0, 40))
                for career in {e.career for e in part if e.career is not None}:
                    expected = told(eligibility.answer(part, student, day, BOOKS, career, call))
                    for _ in range(2):  # from the database, and from what is kept ready
                        assert without_knowledge(fed.ask(**as_question(student, career, day, call))) == expected
                    asked, refused = asked + 1, refused + bool(expected["reasons"])
    assert asked > 300
    assert 0 < refused < asked


def test_says_how_old_its_knowledge_is(fed: Fed) -> None:
    fed.take([a_state()])
    fed.know(NOW - timedelta(seconds=20), position=3)
    answer = ask(fed)
    assert (answer["eligible"], answer["known_position"]) == (True, 3)
    assert answer["knowledge"] == {"complete_at": "2026-05-28T09:59:40.000000+00:00", "age_seconds": 20.0,
                                   "position": 3}


def test_refuses_while_it_knows_of_no_heartbeat(fed: Fed) -> None:
    fed.take([a_state()])
    found = refusal(fed)
    assert (found.status, found.reason, found.as_json()["age_seconds"]) == (503, "knowledge-too-old", None)


def test_refuses_when_its_knowledge_is_older_than_the_limit_and_recovers(fed: Fed) -> None:
    fed.take([a_state()])
    fed.know(NOW - timedelta(seconds=61))
    found = refusal(fed)
    assert (found.status, found.reason) == (503, "knowledge-too-old")
    assert found.as_json()["age_seconds"] == 61.0
    assert [found.as_json(language)["detail"] for language in ("en", "it")] == [
        "what the gate knows is 61 seconds old, 60 are allowed",
        "i dati del servizio hanno 61 secondi, il massimo è 60"]
    fed.know(NOW - timedelta(seconds=60))
    assert ask(fed)["eligible"] is True


def test_refuses_when_what_is_known_is_dated_ahead_of_its_clock(fed: Fed) -> None:
    fed.take([a_state()])
    fed.know(NOW + timedelta(seconds=10))
    assert ask(fed)["knowledge"]["age_seconds"] == 0.0
    with fed.own.transaction() as tx:  # as a release before took it
        tx.run("UPDATE booking_gate_knowledge SET complete_at = '2028-11-13T10:00:00.000000+00:00'")
    found = refusal(fed)
    assert (found.status, found.reason, found.more["age_seconds"]) == (503, "clock-ahead", -900 * 86400.0)


def test_heartbeat_that_is_ahead_of_the_clock_makes_no_knowledge_fresh(fed: Fed,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "clock", lambda: NOW)
    fed.take([a_state()])
    fed.know(NOW - timedelta(seconds=5))
    [error] = fed.take([heartbeat(NOW + timedelta(days=1500), {0: 0})])
    assert isinstance(error, Ahead)
    fed.service.idle(fed.own)
    assert ask(fed)["knowledge"]["age_seconds"] == 5.0
    assert refusal_at(fed, NOW + timedelta(seconds=70)).reason == "knowledge-too-old"
    fed.know(NOW + timedelta(seconds=8))  # a little ahead: known at the earliest when it was read
    assert fed.ask(NOW + timedelta(seconds=4), student="S1", career="S1-B",
                   **a_call())["knowledge"]["age_seconds"] == 4.0


def test_refuses_when_a_state_lies_above_the_position_of_a_heartbeat_that_speaks_of_its_place(fed: Fed) -> None:
    """The ledger was restored from a backup: the topic still holds states of what it has lost."""
    fed.take([a_state(7)])
    place = fed.own.ask("SELECT place FROM booking_gate_careers")[0][0]
    fed.read_up_to(place + 1)
    fed.know(NOW, offset=place, position=5)  # the state came after it
    assert ask(fed)["known_position"] == 9
    fed.know(NOW + timedelta(seconds=1), offset=place + 1, position=5)
    found = refusal(fed)
    assert (found.status, found.reason, found.more) == (503, "state-ahead", {"position": 9, "ledger_position": 5})
    fed.know(NOW + timedelta(seconds=2), offset=place + 1, position=9)
    assert ask(fed)["known_position"] == 9


def test_a_heartbeat_counts_only_when_everything_it_speaks_of_was_read(fed: Fed) -> None:
    fed.take([a_state()])
    fed.read_up_to(9)
    fed.know(NOW, offset=10)
    assert refusal(fed).reason == "knowledge-too-old"
    fed.know(NOW - timedelta(seconds=5), offset=9)
    assert ask(fed)["knowledge"]["age_seconds"] == 5.0
    fed.read_up_to(10)
    fed.service.idle(fed.own)
    assert ask(fed)["knowledge"]["age_seconds"] == 0.0


def test_far_behind_it_keeps_the_oldest_and_the_newest_heartbeat(fed: Fed) -> None:
    beats = [heartbeat(NOW - timedelta(seconds=2 * n), {0: 1000 - n}) for n in range(500)]
    fed.take(beats)
    for _ in range(6):
        fed.service.idle(fed.own)
    kept = [at for (at,) in fed.own.ask("SELECT complete_at FROM booking_gate_heartbeats ORDER BY complete_at")]
    assert len(kept) <= 100
    assert [kept[0], kept[-1]] == [at.isoformat(timespec="microseconds") for at in (NOW - timedelta(seconds=998), NOW)]


def test_a_heartbeat_of_another_topic_says_nothing_about_states(fed: Fed) -> None:
    fed.take([a_state(), heartbeat(NOW, {0: 0}, topic="career.events.v1")])
    fed.service.idle(fed.own)
    assert refusal(fed).reason == "knowledge-too-old"


def test_an_older_state_does_not_take_the_place_of_a_newer_one(fed: Fed) -> None:
    fed.know()
    newer, older = a_state(position=50), a_state(position=10)
    for messages in ([newer, older], [older, newer], [newer], [older]):
        fed.take(messages)
        assert ask(fed)["known_position"] == 52
    own = fed.own
    with own.transaction() as tx:
        from consumers.kit.service import Record

        found = [(record, fed.service.read(record)) for record in (
            Record(m.topic, 0, n, 0, m.key, m.value, m.headers)
            for n, m in enumerate([a_state(60), a_state(70), a_state(65)]))]
        fed.service.messages(tx, STATE, found)  # all in one batch
    assert ask(fed)["known_position"] == 72


SPOILT = [
    pytest.param(lambda m: changed(m, b"{"), Unreadable, "unreadable", id="no JSON"),
    pytest.param(lambda m: changed(m, m.value.replace(b'"status"', b'"state"', 1)), Unreadable,
                 "unreadable", id="a field is missing"),
    pytest.param(lambda m: changed(m, position="777"), Unreadable, "unreadable", id="another position in the header"),
    pytest.param(lambda m: changed(m, ce_type="career.state.v2"), UnknownType, "unknown-type", id="a newer version"),
    pytest.param(lambda m: m._replace(headers=[]), Unreadable, "unreadable", id="no headers"),
]


@pytest.mark.parametrize(("spoil", "error", "cause"), SPOILT)
def test_says_nothing_about_a_career_whose_newest_state_is_unreadable_until_a_good_one_comes(
        fed: Fed, spoil: Any, error: type[Exception], cause: str) -> None:
    fed.know()
    fed.take([a_state(10)])
    assert ask(fed)["eligible"] is True
    [found] = fed.take([spoil(a_state(20))])
    assert type(found) is error
    refused = refusal(fed)
    assert (refused.status, refused.reason, refused.more) == (503, "career-unusable", {"cause": cause})
    if spoil(a_state(20)).headers:
        fed.take([a_state(10)])  # re-sent: older than the one that cannot be read
        assert refusal(fed).reason == "career-unusable"
    fed.take([a_state(1000)])
    assert ask(fed)["known_position"] == 1002


def _mutants(state: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a state."""
    for key, value in state.items() if isinstance(state, dict) else enumerate(state):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from _mutants(value, (*path, key))


def _is_a_state(value: bytes) -> bool:
    try:
        CareerState.model_validate_json(value)
    except ValidationError:
        return False
    return True


def _has_the_form(value: bytes) -> bool:
    try:
        head(value)
    except Unreadable as error:
        return "SECRET" in str(error)  # then it does not agree with the model, and the test fails
    return True


def test_the_quick_form_refuses_what_the_model_refuses_but_for_the_spelling_of_texts() -> None:
    pick = random.Random(1)
    refused = 0
    instead: Any
    states = [m for student, stream in streams(e.placed(n) for n, e in enumerate(population(30, 5), 1)).items()
              for m in state_messages(stream, student, BOOKS)]
    for message in states:
        assert _is_a_state(message.value or b"")
        assert head(message.value or b"")[:2] == tuple(message.key.decode().split("/"))
        for path in pick.sample(list(_mutants(json.loads(message.value or b""))), 40):
            state = json.loads(message.value or b"")
            place = state
            for step in path[:-1]:
                place = place[step]
            instead = pick.choice([None, "SECRET", 1, 1.5, True, [], {}, "2026-02-30", "1.0", -1])
            if instead is True and isinstance(place, dict):
                del place[path[-1]]
            else:
                place[path[-1]] = instead
            value = encode(state)
            if _is_a_state(value) or not isinstance(instead, str) or path[-1] in ("status", "state",
                                                                                  "session", "regime", "outcome"):
                assert _has_the_form(value) is _is_a_state(value), (path, instead)
            refused += not _is_a_state(value)
    assert refused > 300


def test_a_state_that_only_the_model_refuses_is_not_answered_from(fed: Fed) -> None:
    fed.know()
    good = a_state()
    fed.take([changed(good, (good.value or b"").replace(b'"recorded_at":"2025-11-30', b'"recorded_at":"2025-11-31'))])
    assert refusal(fed).as_json()["cause"] == "recorded_at: there is no such instant"


def test_an_unreadable_state_that_is_older_changes_nothing(fed: Fed) -> None:
    fed.know()
    fed.take([a_state(50), changed(a_state(10), b"{")])
    assert ask(fed)["known_position"] == 52


def test_a_state_of_nobody_is_unreadable_and_touches_nobody(fed: Fed) -> None:
    fed.know()
    assert len(fed.take([a_state(), *(a_state()._replace(key=key) for key in (b"S1", b"S2/S2-B", b"\xff/", b""))])) == 4
    assert ask(fed)["eligible"] is True


def test_refuses_when_the_state_was_computed_under_other_rule_books(own: Database) -> None:
    other = LawBooks(BOOKS._books, BOOKS.identities | {"2025-26": ("other", "0" * 64)}, BOOKS.own)
    fed = Fed(own, other)
    fed.know()
    fed.take([a_state()])
    found = refusal(fed)
    assert (found.status, found.reason) == (503, "other-law")
    assert found.more == {"state_law": BOOKS.identity, "gate_law": other.identity}
    fed.take(state_messages(a_student(5), "S1", other))
    assert ask(fed)["eligible"] is True


def test_gate_that_runs_over_the_day_of_an_amendment_does_not_answer_until_it_is_started_again(
        tmp_path: Path) -> None:
    """The session of 2018-19 was extended on 20 March 2020: a reservation asked about in May, before and since."""
    from ledger.domain.submissions import recorded

    before, since = (BOOKS.known_at(datetime(2020, 3, 19, hour, tzinfo=UTC)) for hour in (22, 23))
    reserved = {"programme": "LM", "course_type": "master", "access": "open", "academic_year": "2019-20", "year": 1,
                "regime": "full-time", "ground": "degree-pending", "missing_exams": 1, "missing_cfu": 6,
                "home_university": "same"}
    filed = submission("S1", "m1", "enrolled-with-reservation", "2019-10-10", reserved)
    paid = submission("S1", "m2", "instalment-paid", "2019-10-10", {"charge": "2019-20:enrolment", "amount": "156.00"})
    events = [recorded(one, one.recorded_at, n, None, (), n) for n, one in enumerate((filed, paid), 1)]
    asked = {"course": "A", "held_on": "2020-05-20", "session": "summer", "academic_year": "2019-20",
             "calls_start_on": "2020-05-15"}
    call = ExamBooked.model_validate(asked | {"mode": "written"})
    with Database(f"sqlite:///{tmp_path}/gate.db") as own:
        told_then = []
        for law, states_of in ((before, before), (before, since), (since, since)):
            fed = Fed(own, law)
            fed.know()
            fed.take(state_messages(events, "S1", states_of))
            question = {"student": "S1", "career": "S1-B", "on": "2020-05-05", **asked}
            if law is not states_of:
                with pytest.raises(NoAnswer) as found:
                    fed.ask(**question)
                told_then.append(found.value.reason)
                continue
            answer = without_knowledge(fed.ask(**question))
            assert answer == told(eligibility.answer(events, "S1", date(2020, 5, 5), law, "S1-B", call))
            told_then.append([one["rule"] for one in answer["reasons"]])
    assert told_then == [["ENR", "ESA-1"], "other-law", ["ESA-5", "ESA-1"]]


def test_an_unknown_career_and_that_of_a_forgotten_person_are_not_found(fed: Fed) -> None:
    fed.know()
    assert (refusal(fed).status, refusal(fed).reason) == (404, "unknown-career")
    fed.take([a_state()])
    assert ask(fed)["eligible"] is True
    with fed.own.transaction() as tx:
        erase(tx, fed.service, ["S1"])
    assert (refusal(fed).status, refusal(fed).reason) == (404, "unknown-career")


def test_states_that_were_lost_leave_no_old_answer(fed: Fed) -> None:
    fed.take([a_state()])
    fed.know()
    assert ask(fed)["eligible"] is True
    with fed.own.transaction() as tx:
        fed.service.skipped(tx, STATE, 0)
    assert refusal(fed).reason == "knowledge-too-old"
    fed.know()
    assert refusal(fed).reason == "unknown-career"


BAD = [
    ({"held_on": "22 June"}, "held_on"), ({"held_on": None}, "held_on"), ({"session": "spring"}, "session"),
    ({"course": ""}, "course"),
    ({"academic_year": "2025-27"}, "academic_year"), ({"mode": "by phone"}, "mode"), ({"on": "2026-02-30"}, "on"),
    ({"note": "x"}, "note"), ({"curse": "A"}, "curse"), ({"student": "two words"}, "student"),
    ({"career": ["S1-B"]}, "career"),
]


@pytest.mark.parametrize(("change", "field"), BAD)
def test_a_bad_question_is_refused_by_the_name_of_its_field(fed: Fed, change: dict[str, Any], field: str) -> None:
    fed.know()
    fed.take([a_state()])
    with pytest.raises(NoAnswer) as found:
        fed.gate.answer({"student": "S1", "career": "S1-B"} | a_call() | change, NOW)
    assert (found.value.status, found.value.reason) == (422, "bad-question")
    assert [problem.path for problem in found.value.problems] == [field]
    italian, english = (found.value.as_json(language)["problems"][0] for language in ("it", "en"))
    assert (italian["message_id"], italian["params"]) == (english["message_id"], english["params"])
    assert italian["message"] != english["message"]


def test_today_is_the_day_in_rome(fed: Fed) -> None:
    fed.take([a_state()])
    late = NOW.replace(hour=22, minute=30)
    fed.know(late)
    call = a_call()
    del call["on"]
    assert fed.ask(late, student="S1", career="S1-B", **call)["on"] == "2026-05-29"


def test_over_http(own: Database, own_url: str) -> None:
    fed = Fed(own)
    fed.take([a_state()])
    with portal(fed.service, own_url, max_age=1e9) as asked:
        question = {"student": "S1", "career": "S1-B"} | a_call()
        assert asked.ask(question)[1]["reason"] == "starting"
        fed.know()
        status, answer = asked.ask(question)
        assert (status, without_knowledge(answer)) == (200, without_knowledge(ask(fed)))
        assert asked.headers["Server-Timing"].startswith("gate;dur=")
        status, answer = asked.ask(question | {"career": "S1-X"})
        assert (status, answer["reason"], asked.headers["Content-Type"]) == (404, "unknown-career",
                                                                             "application/problem+json")
        status, answer = asked.ask(question | {"career": "S1-X"}, language="it")
        assert (answer["detail"], asked.headers["Content-Language"]) == ("di questa carriera non risulta nulla", "it")
        status, answer = asked.ask(b"[")
        assert (status, answer["reason"]) == (400, "bad-json")
        status, answer = asked.ask(b'{"a":' * 2000)
        assert (status, answer["detail"]) == (400, "nested too deeply: write one flat object")
        status, answer = asked.ask(json.dumps(question).replace("{", '{"course": "B", ', 1).encode())
        assert (status, [one["path"] for one in answer["problems"]]) == (422, ["course"])
        assert asked.ask(b"[]")[0] == 422
        assert asked.ask(b"x" * 20_000)[0] == 413
        assert asked.ask(question, method="GET", path="/v1/knowledge")[1]["law"] == BOOKS.identity


def test_answers_503_while_its_database_is_away(postgres_url: str) -> None:
    import psycopg

    service = BookingGate()
    with Database(postgres_url) as own, portal(service, postgres_url, max_age=1e9) as asked:
        fed = Fed(own)
        fed.service = service
        fed.take([a_state()])
        fed.know()
        question = {"student": "S1", "career": "S1-B"} | a_call()
        assert asked.ask(question)[0] == 200
        base, name = postgres_url.rsplit("/", 1)
        with psycopg.connect(f"{base}/postgres", autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            assert asked.ask(question)[1]["reason"] == "database-away"
            assert asked.ask(question)[0] == 503
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        assert asked.ask(question)[0] == 200

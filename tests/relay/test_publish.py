"""What `career-ledger publish` puts into the topics, on both stores and a real broker."""

import dataclasses
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from kafka.admin import KafkaAdminClient

from ledger.bootstrap import open_ledger
from ledger.domain.edition import EDITION
from ledger.relay import relay as relay_module
from ledger.relay import status
from ledger.store import open_store
from ledger.store.mapper import STORED_NAMES, UPCASTS, Mapper
from ledger.wire.kafka import CLIENT, KafkaUnusable, create_topics
from ledger.wire.topics import EVENTS, HEARTBEAT, STATE, TOPICS
from tests.figures import PORT, asked, is_at_work, port_of, shows
from tests.projections.populations import a_debtor, append, fill, population, submission
from tests.waiting import wait_for

from .conftest import (
    assert_states_are_newest,
    assert_topic_is_the_log,
    command,
    done,
    log,
    publish_once,
    published,
    relay,
    start,
    stopped,
)

SMALL = (70, 30)


def test_publish_makes_the_topics_equal_to_the_log_for_a_population(store_url, store, topics) -> None:
    fill(store, population(20))
    publish_once(store_url, topics, SMALL)
    assert_topic_is_the_log(store, topics)
    assert_states_are_newest(store, topics)
    fill(store, population(6, first=1000))
    assert done(store_url, topics, "--once")[0] == 0
    assert_topic_is_the_log(store, topics)
    assert_states_are_newest(store, topics)


def test_publish_computes_a_student_once_while_much_is_behind(store_url, store, topics) -> None:
    fill(store, population(20))
    publish_once(store_url, topics, (5000, 20))
    states = topics.read(STATE)
    assert len(states) == len({one.key for one in states})
    assert_states_are_newest(store, topics)


def test_state_is_the_newest_answer_after_a_void_and_for_several_careers(store_url, store, topics) -> None:
    append(store, *a_debtor("S01"), *a_debtor("S02"))
    with relay(store_url, topics, *PORT) as process:
        wait_for(lambda: published(store_url))
        assert_states_are_newest(store, topics)
        append(store, *(dataclasses.replace(one, id=f"m{one.id}", career="S01-M") for one in a_debtor("S01")))
        append(store, submission("S01", "v3", "event-voided", "2026-04-03",
                                 {"event": "a3", "reason": "wrong student", "authority": "x"}))
        append(store, *(submission("S02", f"v{n}", "event-voided", "2026-04-03",
                                   {"event": f"a{n}", "reason": "x", "authority": "x"})
                        for n in (3, 2, 1)))  # nothing is left of her
        wait_for(lambda: published(store_url))
        position, port = store.last_position(), port_of(process)
        shows(port, {'career_ledger_log_end{program="publish"}': position,
                     'career_ledger_works{program="publish"}': 1} | {
            f'career_ledger_{name}{{part="{topic}",program="publish"}}': count for topic in (EVENTS, STATE)
            for name, count in (("position", position), ("events_total", len(log(store))), ("set_aside_students", 0))})
        assert is_at_work(port, "publish")
        assert "S01" not in asked(port, "/metrics")[1]
    assert_states_are_newest(store, topics)
    assert_topic_is_the_log(store, topics)
    latest = {one.key: one.json for one in topics.read(STATE)}
    assert latest.keys() == {"S01/S01-B", "S01/S01-M", "S02/S02-B"}
    assert latest["S02/S02-B"]["status"] == []
    assert [span["status"] for span in latest["S01/S01-M"]["status"]] == ["enrolled"]


def test_state_is_sent_anew_for_everybody_when_the_law_has_changed(store_url, store, topics) -> None:
    append(store, *a_debtor("S01"))
    publish_once(store_url, topics)
    before = "UPDATE relay_positions SET law = 'another' WHERE law <> ''"
    opened = (psycopg.connect(store_url) if store_url.startswith("postgresql")
              else sqlite3.connect(store_url.removeprefix("sqlite:///")))
    opened.execute(before)
    opened.commit()
    opened.close()
    publish_once(store_url, topics)
    assert (topics.count(EVENTS), topics.count(STATE)) == (3, 2)


def test_state_is_sent_anew_under_another_id_when_the_program_answers_otherwise(sqlite_url,
                                                                                topics, monkeypatch) -> None:
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"))
    publish_once(sqlite_url, topics)
    monkeypatch.setattr(relay_module, "EDITION", EDITION + 1)
    publish_once(sqlite_url, topics)
    publish_once(sqlite_url, topics)
    assert (topics.count(EVENTS), topics.count(STATE)) == (3, 2)
    assert {one.headers["ce_id"].rsplit(".", 1)[1] for one in topics.read(STATE)} == {str(EDITION)}


def test_big_state_is_published_whole(store_url, store, topics) -> None:
    courses = [{"code": f"C{n:05}", "cfu": 6, "year": 1, "semester": 1, "lectures_end_on": "2026-01-10",
                "prerequisites": ["C00000"]}
               for n in range(8_000)]
    append(store, *a_debtor("S01"), submission("S01", "p1", "study-plan-approved", "2025-11-02",
                                               {"academic_year": "2025-26", "courses": courses}))
    publish_once(store_url, topics)
    assert_states_are_newest(store, topics)
    assert_topic_is_the_log(store, topics)
    [one] = topics.read(STATE)
    assert len(one.value or b"") > 1 << 20
    assert len(one.json["plans"][0]["courses"]) == 8_000


def test_state_that_no_topic_takes_stops_the_relay_and_names_it(sqlite_url, topics) -> None:
    courses = [{"code": f"C{n:05}", "cfu": 6, "year": 1, "semester": 1, "lectures_end_on": "2026-01-10"}
               for n in range(8_000)]
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"))
        for n in range(10):
            append(store, submission("S01", f"p{n}", "study-plan-approved", f"2025-11-{n + 2:02}",
                                     {"academic_year": "2025-26", "courses": [
                course | {"year": 1 + n % 3} for course in courses]}))
    code, _, error = done(sqlite_url, topics, "--once")
    assert code == 6
    assert "S01/S01-B" in error
    assert "bytes" in error
    found = {one["topic"].removeprefix(topics.prefix): one for one in status(sqlite_url)["topics"]}
    assert (found[EVENTS]["error"], found[STATE]["position"]) == (None, 0)
    assert "S01/S01-B" in found[STATE]["error"]


def test_records_read_as_of_today_and_keep_the_hash_of_the_stored_bytes(store) -> None:
    append(store, *a_debtor("S01"))
    rows = store._recorder.log(0, 10)
    assert [(position, store.digest(state)) for position, _, state in rows] == [
        (p, digest) for p, _, digest in store.records()]
    assert [record for _, record, _ in store.records()] == [json.loads(state) | {"position": p} for p, _, state in rows]
    assert store.records(after=rows[0][0], limit=1)[0][0] == rows[1][0]
    newer = Mapper(STORED_NAMES | {"enrolled": "enrolled.v2"}, UPCASTS | {
        "enrolled.v1": ("enrolled.v2", lambda record: record | {"data": record["data"] | {"year": 2}})})
    store._mapper = newer
    found = store.records(limit=1)[0]
    assert (found[1]["data"]["year"], found[1]["type"], found[2]) == (2, "enrolled", store.digest(rows[0][2]))


def test_publish_status_says_how_far_and_what_failed(store_url, store, topics) -> None:
    append(store, *a_debtor("S01"))
    code, _, error = command(store_url, "publish", "--status")
    assert (code, "nothing was published yet" in error) == (3, True)
    publish_once(store_url, topics)
    append(store, *a_debtor("S02"))
    code, said, _ = command(store_url, "publish", "--status", "--json")
    answer = json.loads(said)
    assert (code, answer["last_position"]) == (0, 6)
    assert {one["topic"] for one in answer["topics"]} == {topics.prefix + EVENTS, topics.prefix + STATE}
    for one in answer["topics"]:
        assert (one["position"], one["events_behind"], one["error"]) == (3, 3, None)
        assert one["seconds_behind"] > 0
    code, said, _ = command(store_url, "publish", "--status")
    assert code == 0
    assert "position 3 of 6, events behind: 3" in said


@pytest.mark.parametrize(("topic", "setting", "value"), [
    (EVENTS, "cleanup.policy", "compact"), (EVENTS, "retention.ms", "604800000"),
    (EVENTS, "retention.bytes", "1000000"),
    (EVENTS, "min.insync.replicas", "2"), (STATE, "cleanup.policy", "delete"), (EVENTS, "max.message.bytes", "1000")])
def test_publish_refuses_a_topic_that_would_lose_messages(sqlite_url, topics, topic, setting, value) -> None:
    known = next(t for t in TOPICS if t.name == topic)
    admin = KafkaAdminClient(bootstrap_servers=topics.brokers)
    admin.create_topics({topics.prefix + topic: {"num_partitions": 2, "replication_factor": 1,
                                                 "configs": known.settings(1) | {setting: value}}})
    admin.close()
    with pytest.raises(KafkaUnusable, match=setting):
        create_topics(topics.brokers)


def test_publish_says_which_topic_is_wrong_and_sends_nothing(sqlite_url, topics) -> None:
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"))
    create_topics(topics.brokers, 3)
    admin = KafkaAdminClient(bootstrap_servers=topics.brokers)
    admin.delete_topics([topics.prefix + EVENTS])
    wait_for(lambda: topics.prefix + EVENTS not in admin.list_topics())
    admin.create_topics({topics.prefix + EVENTS: {"num_partitions": 2, "replication_factor": 1}})
    admin.close()
    code, _, error = done(sqlite_url, topics, "--once")
    assert code == 6
    assert f"{topics.prefix}{EVENTS} is not kept as its readers need: retention.ms is 604800000 and must be -1" in error
    assert (topics.count(EVENTS), topics.count(STATE)) == (0, 0)


def test_topics_are_made_as_their_readers_need_and_by_several_at_once(sqlite_url, topics) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: create_topics(topics.brokers, 5), range(4)))
    assert found.count(found[0]) == 4
    assert {name: made.partitions for name, made in found[0].items()} == {
        t.name: 1 if t.name == HEARTBEAT else 5 for t in TOPICS}
    assert len({made.id for made in found[0].values()}) == len(TOPICS)


def test_publish_begins_anew_when_the_topic_was_made_anew_and_refuses_more_partitions(sqlite_url, topics) -> None:
    with open_store(sqlite_url) as store:
        fill(store, population(5))
        publish_once(sqlite_url, topics)
        admin = KafkaAdminClient(bootstrap_servers=topics.brokers)
        admin.delete_topics([topics.prefix + EVENTS])
        wait_for(lambda: topics.prefix + EVENTS not in admin.list_topics())
        publish_once(sqlite_url, topics)
        assert_topic_is_the_log(store, topics)
        admin.create_partitions({topics.prefix + STATE: 9})
        code, _, error = done(sqlite_url, topics, "--once")
        admin.close()
        assert (code, "had 4 partitions and has 9" in error) == (6, True)


def test_publish_stops_on_sigterm_with_everything_stored(store_url, store, topics) -> None:
    fill(store, population(10))
    process = start(store_url, topics)
    wait_for(lambda: published(store_url))
    code, error = stopped(process)
    assert (code, "Traceback" in error) == (0, False)
    publish_once(store_url, topics)
    assert_topic_is_the_log(store, topics)  # nothing twice


@pytest.mark.parametrize("options", [("--once", "--status"), ("--from", "3", "--replay", "S01"), ()])
def test_publish_refuses_wrong_usage(sqlite_url, options, monkeypatch) -> None:
    monkeypatch.delenv("CAREER_LEDGER_KAFKA", raising=False)
    code, _, error = command(sqlite_url, "publish", *options)
    assert code == 2
    assert "Error" in error


def test_publish_tells_when_no_broker_answers(sqlite_url, topics, tmp_path, monkeypatch) -> None:
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"))
    (tmp_path / "kafka.json").write_text('{"bootstrap_timeout_ms": 1000}')
    monkeypatch.setenv(CLIENT, str(tmp_path / "kafka.json"))
    code, _, error = done(sqlite_url, topics, "--kafka", "127.0.0.1:1", "--once")
    assert code == 6
    assert "Kafka cannot be used" in error


def test_relay_needs_no_more_rights_than_its_role_has(postgres_url, topics) -> None:
    with open_store(postgres_url) as store:
        append(store, *a_debtor("S01"))
        parts = urlsplit(postgres_url)
        name = f"relay_{topics.prefix.strip('.')}"
        with psycopg.connect(postgres_url, autocommit=True) as owner:
            owner.execute(Path("infra/postgres/roles.sql").read_bytes())
            open_ledger(postgres_url).upgrade()
            owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'p' IN ROLE career_ledger_relay".encode())
            try:
                mine = f"postgresql://{name}:p@{parts.hostname}:{parts.port}{parts.path}"
                code, _, error = done(mine, topics, "--once")
                assert code == 0, error
                assert_topic_is_the_log(store, topics)
                with psycopg.connect(mine) as other, pytest.raises(psycopg.errors.InsufficientPrivilege):
                    other.execute("SELECT career_ledger_append('{}', '{}', '{}', '{}')")
            finally:
                owner.execute(f"DROP OWNED BY {name}".encode())
                owner.execute(f"DROP ROLE {name}".encode())

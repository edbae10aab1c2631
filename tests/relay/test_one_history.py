"""One topic, one history: what another ledger, another epoch, or the ledger that an older copy was put in
the place of may not send."""

import shutil
from pathlib import Path

import pytest
from kafka import KafkaProducer

from ledger.relay import Positions, beyond, publish_from, replay, status
from ledger.store import StoreUnusable, open_store
from ledger.wire.kafka import PRODUCER, KafkaUnusable, create_topics
from ledger.wire.topics import EVENTS, HEARTBEAT, STATE
from tests.projections.populations import BOOKS, a_debtor, append, submission
from tests.store.backups import accept, backup
from tests.waiting import wait_for

from .conftest import Topics, done, publish_once, published, relay


def copy(url: str, to: str) -> None:
    """A SQLite ledger's file as a backup takes it or puts it back: nobody has it open."""
    path, target = Path(url.removeprefix("sqlite:///")), Path(to.removeprefix("sqlite:///"))
    with open_store(url) as store:
        store._recorder.read("PRAGMA wal_checkpoint(TRUNCATE)", ())  # type: ignore[attr-defined]
    for end in ("-wal", "-shm"):
        Path(f"{target}{end}").unlink(missing_ok=True)
    shutil.copyfile(path, target)


def fill(url: str, *students: str) -> None:
    with open_store(url) as store:
        for student in students:
            append(store, *a_debtor(student))


def everything(topics: Topics) -> dict[str, int]:
    return {name: topics.count(name) for name in (EVENTS, STATE)}


def test_ledger_restored_from_a_backup_publishes_nothing_until_the_newer_one_is_back(sqlite_url,
                                                                                     tmp_path, topics) -> None:
    backup, newer = (f"sqlite:///{tmp_path / name}" for name in ("backup.db", "newer.db"))
    fill(sqlite_url, "S01", "S02")
    publish_once(sqlite_url, topics)
    copy(sqlite_url, backup)
    fill(sqlite_url, "S03")
    publish_once(sqlite_url, topics)
    copy(sqlite_url, newer)
    before = everything(topics)

    copy(backup, sqlite_url)
    code, _, error = done(sqlite_url, topics, "--once")
    assert (code, "hold events up to position 9, and the ledger ends at 6" in error) == (6, True), error
    assert "Put the newer one back" in error
    for act in (lambda: publish_from(sqlite_url, BOOKS, topics.brokers, 1),
                lambda: replay(sqlite_url, BOOKS, topics.brokers, "S01")):
        with pytest.raises(KafkaUnusable, match="the ledger ends at 6"):
            act()
    fill(sqlite_url, "S04", "S05")  # written on, beyond what was published
    with pytest.raises(KafkaUnusable, match=r"at position \d+ the topic .* holds another event than the ledger"):
        publish_once(sqlite_url, topics)
    assert everything(topics) == before

    copy(newer, sqlite_url)
    assert replay(sqlite_url, BOOKS, topics.brokers, "S01") == (3, 1)  # old messages behind the newest do not hide them
    copy(backup, sqlite_url)
    with pytest.raises(KafkaUnusable, match="the ledger ends at 6"):
        publish_once(sqlite_url, topics)
    copy(newer, sqlite_url)
    fill(sqlite_url, "S06")
    publish_once(sqlite_url, topics)
    assert published(sqlite_url)


def test_two_ledgers_do_not_share_a_topic(store_url, store, tmp_path, topics) -> None:
    mine, other = store_url, f"sqlite:///{tmp_path / 'other.db'}"
    fill(mine, "S01")
    fill(other, "S01", "S02")
    with relay(mine, topics):
        wait_for(lambda: published(mine))
        code, _, error = done(other, topics, "--once")
        assert (code, "what another ledger published" in error,
                store.identity().origin in error) == (6, True, True), error
        fill(mine, "S03")
        wait_for(lambda: published(mine))
    assert {one.headers["origin"] for name in (EVENTS, STATE, HEARTBEAT)
            for one in topics.read(name)} == {store.identity().origin}
    assert {one.headers["ce_source"]
            for one in topics.read(EVENTS)} == {f"urn:career-ledger:{store.identity().origin}:1"}


def test_next_epoch_is_published_behind_the_former_one_which_publishes_no_more(sqlite_url, tmp_path, topics) -> None:
    former = f"sqlite:///{tmp_path / 'former.db'}"
    fill(sqlite_url, "S01")
    publish_once(sqlite_url, topics)
    copy(sqlite_url, former)
    accept(sqlite_url)
    fill(sqlite_url, "S02")
    publish_once(sqlite_url, topics)
    assert [one.headers["epoch"] for one in topics.read(EVENTS) if one.key == "S01"] == ["1"] * 3 + ["2"] * 3
    assert published(sqlite_url)
    before = everything(topics)
    with pytest.raises(KafkaUnusable, match=r"holds epoch 2 of this ledger, which is in epoch 1"):
        publish_once(former, topics)
    assert everything(topics) == before
    fill(sqlite_url, "S03")
    publish_once(sqlite_url, topics)
    assert replay(sqlite_url, BOOKS, topics.brokers, "S01") == (3, 1)


def test_what_the_topic_holds_and_the_log_does_not_is_listed(store_url, store, topics, tmp_path) -> None:
    append(store, *a_debtor("S01"), *a_debtor("S02"))
    with backup(store_url) as older:
        append(store, *a_debtor("S03"), submission("S01", "x4", "resumed", "2026-04-01", {"reason": "x"}))
        publish_once(store_url, topics)
        store.close()
        older.put_back()
        with open_store(store_url) as restored:
            found = beyond(restored, topics.brokers)
            assert found == (1, 10, {"S03": [1, 2, 3], "S01": [4]})
            append(restored, *a_debtor("S04"))  # written on
            assert beyond(restored, topics.brokers) == found
        for _ in range(2):
            with pytest.raises(KafkaUnusable):
                publish_once(store_url, topics)
        accept(store_url, reached=10)
        with open_store(store_url) as restored:
            append(restored, submission("S01", "y4", "suspended", "2026-04-01", {"reason": "y"}))
            publish_once(store_url, topics)
            assert beyond(restored, topics.brokers) == (2, 11, {})


def test_topic_that_a_release_before_filled_is_refused_because_its_hashes_give_values_away(sqlite_url, topics) -> None:
    fill(sqlite_url, "S01")
    made = create_topics(topics.brokers, 4)
    producer = KafkaProducer(bootstrap_servers=topics.brokers, **PRODUCER)
    producer.send(made[EVENTS].name, key=b"S01", value=b"{}",
                  headers=[("position", b"1"), ("version", b"1"), ("sha256", b"ab" * 32)])
    producer.flush()
    producer.close()
    with pytest.raises(KafkaUnusable, match="gives withheld values away"):
        publish_once(sqlite_url, topics)


def test_positions_above_the_log_are_refused_though_the_topics_are_empty(sqlite_url, topics) -> None:
    fill(sqlite_url, "S01")
    made = create_topics(topics.brokers, 4)
    with Positions(sqlite_url) as positions:
        positions.prepare()
    with (open_store(sqlite_url) as store,
          store._recorder.writing.datastore.transaction(commit=True) as cursor):  # type: ignore[attr-defined]
        cursor.execute("INSERT INTO relay_positions VALUES (?, ?, 4, '', 175, NULL, '2026-01-01T00:00:00Z', 0, NULL, "
                       "NULL)",
                       (made[EVENTS].name, made[EVENTS].id))
    with pytest.raises(KafkaUnusable, match="published up to position 175, and the ledger ends at 3"):
        publish_once(sqlite_url, topics)
    with pytest.raises(StoreUnusable, match="position 175"):
        status(sqlite_url)

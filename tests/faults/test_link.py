"""The link to PostgreSQL cut at every byte of an append, the answer to COMMIT included; a server that is stopped at
once under load."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import count

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from ledger.store import EventStore, StoreUnavailable, open_store
from tests.relay.servers import CRASH, own_postgres
from tests.sizes import sized
from tests.store.examples import events
from tests.store.proxy import Proxy

pytestmark = pytest.mark.faults
STEP = sized(160, 1)
CRASHES = sized(1, 5)
Counted = Callable[[str], None]


def warm(store: EventStore) -> None:
    """It holds a link that works."""
    while True:
        with suppress(StoreUnavailable):
            store.last_position()
            return


def at_rest(url: str) -> None:
    """A server that was sent a whole COMMIT obeys it, whoever listens: until then nobody can tell what it stores. A
    session that has not read yet what it was sent looks idle, so that it is looked at for a while."""
    until, quiet = time.monotonic() + 30, 0
    with psycopg.connect(url, autocommit=True) as admin:
        while quiet < 10:
            resting = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                                    "AND pid <> pg_backend_pid() AND state <> 'idle'").fetchone() == (0,)
            quiet = quiet + 1 if resting else 0
            assert time.monotonic() < until, "a session of a link that was cut does not end"
            time.sleep(0.01)


def cut_through(proxy: Proxy, links: tuple[EventStore, EventStore], way: str, told: Counter[str],
                act: Callable[[int], bool]) -> None:
    """An append for every STEPth byte, until one gets through uncut. `links`: through the proxy, and past it. `act`
    says whether it was acknowledged, of which the server has made up its mind then."""
    store, beside = links
    for n in count(0, STEP if way == "up" else max(1, STEP // 8)):
        before = len(beside.stream("S01"))
        warm(store)
        proxy.cut(way, n)
        acknowledged = act(before + 1)
        was_cut = proxy.mend()
        after = [event.version for event in beside.stream("S01")]
        assert after == list(range(1, len(after) + 1))
        assert len(after) - before in (0, 1)
        assert len(after) > before or not acknowledged, f"lost at byte {n} {way}"
        told["acknowledged and stored" if acknowledged else
             "failed and stored" if len(after) > before else "failed and not stored"] += 1
        if not was_cut:
            return


@pytest.mark.parametrize("patient", [True, False], ids=["patient", "impatient"])
def test_append_is_stored_once_or_said_to_have_failed_when_the_link_is_cut_at_each_byte(
        postgres_url: str, monkeypatch: pytest.MonkeyPatch, patient: bool, counted: Counted) -> None:
    if not patient:
        monkeypatch.setattr("ledger.store.event_store.tried_again", lambda act, *_: act())
    found = conninfo_to_dict(postgres_url)
    told: Counter[str] = Counter()
    with Proxy(str(found["host"]), int(str(found["port"]))) as proxy:
        url = f"postgresql://{found['user']}:{found['password']}@127.0.0.1:{proxy.port}/{found['dbname']}"
        with open_store(url) as store, open_store(postgres_url) as beside:

            def act(version: int) -> bool:
                try:
                    store.append(events("S01", version, version))
                except StoreUnavailable:
                    proxy.mend()
                    at_rest(postgres_url)
                    return False
                return True

            for way in ("up", "down"):
                cut_through(proxy, (store, beside), way, told, act)
    if patient:
        assert set(told) == {"acknowledged and stored"}
    assert told["acknowledged and stored"] > 0
    counted(f"cut at {told.total()} bytes: " + ", ".join(f"{number} {what}" for what, number in sorted(told.items())))


def test_nothing_is_lost_or_doubled_when_the_server_is_stopped_at_once_under_load(counted: Counted) -> None:
    acknowledged: dict[str, int] = {}
    stop = threading.Event()

    def write(student: str) -> None:
        with open_store(server.url) as store:
            for version in count(1):
                if stop.is_set():
                    return
                store.append(events(student, version, version))
                acknowledged[student] = version

    with own_postgres() as server:
        with open_store(server.url):
            pass
        threads = [threading.Thread(target=write, args=(f"S{n}",)) for n in range(3)]
        for one in threads:
            one.start()
        try:
            for nth in range(CRASHES):
                before = sum(acknowledged.values())
                while sum(acknowledged.values()) < before + 30:
                    stop.wait(0.01)
                server.restart(CRASH, 0.1 * nth)
        finally:
            stop.set()
            for one in threads:
                one.join(60)
        with open_store(server.url) as store:
            for student, last in acknowledged.items():
                assert [event.version for event in store.stream(student)] == list(range(1, last + 1))
    counted(f"{CRASHES} times stopped at once: {sum(acknowledged.values())} acknowledged, 0 lost, 0 doubled")

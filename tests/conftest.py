"""What all tests share: a fresh ledger on each of the two stores, and a Kafka.

SQLite needs nothing. PostgreSQL is the server named in CAREER_LEDGER_TEST_POSTGRES, an administrator's URL,
and Kafka the brokers named in CAREER_LEDGER_TEST_KAFKA (host:port,...); `make test` brings both up. A test
that needs one fails without it: it is never skipped. `-m "not server"` leaves those tests out: they are known
by the fixtures that they ask for.
"""

import gc
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.kafka.cluster import Cluster, Encrypted
from ledger.parallel import processes
from ledger.rulebooks import loader
from ledger.store import EventStore, open_store

from . import certificates
from .processes import pool
from .sizes import sized

os.environ["CAREER_LEDGER_LANG"] = "en"  # whatever the locale of who runs them

VARIABLE = "CAREER_LEDGER_TEST_POSTGRES"
KAFKA = "CAREER_LEDGER_TEST_KAFKA"
ROLES = Path(__file__).parents[1] / "infra" / "postgres" / "roles.sql"
DIGEST_KEY = "0123456789abcdef" * 4
"""Of every ledger in the tests, those of processes that they start included."""
os.environ["CAREER_LEDGER_DIGEST_KEY"] = DIGEST_KEY
loader.read_stages = cache(loader.read_stages)
"""Reading the three books takes 60 ms and most tests open a ledger. They are values: the same bytes give the same
book."""
processes.pool = pool
"""Workers that tests start in their own process are forked from a server: three tenths of a second less for each."""
COUNTED = "counted"
SERVERS = frozenset({"postgres_admin", "kafka_bootstrap", "brokers"})
"""The fixtures that stand for a server: who asks for one, also by way of others, is marked `server`."""
DOCS = f"{Path(__file__).parent / 'docs'}/"
"""Commands of pages, most of which start servers of their own: marked `server` too."""


gc.disable()


def pytest_collection_finish() -> None:
    """What was collected stays until the end: looking through it again and again is a quarter of the time that it
    takes to collect it. What a test makes is looked through less often than in a program that runs for days."""
    gc.freeze()
    gc.set_threshold(20_000)
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks, and puts first what needs a server: who waits for a server leaves the processor to others, and no long
    test comes last."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if SERVERS.intersection(fixtures) or "postgresql" in parameters or str(item.path).startswith(DOCS):
            item.add_marker("server")
        if "brokers" in fixtures:  # one worker has them all, and starts one cluster
            item.add_marker(pytest.mark.xdist_group("brokers"))
        _tell_group(item)
    items.sort(key=lambda item: item.get_closest_marker("server") is None)


def _tell_group(item: pytest.Item) -> None:
    """xdist puts a test's group behind its id, where pytest 9.2 looks no more, and every worker had brokers of its own
    (github.com/pytest-dev/pytest-xdist/issues/1386)."""
    group = item.get_closest_marker("xdist_group")
    if group and getattr(item.config.option, "loadgroup", False) and hasattr(item, "_id"):
        item._id = type(item._id).parse(f"{item.nodeid}@{group.args[0]}")


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """What a test of faults has counted, for the end of the run."""
    return lambda said: record_property(COUNTED, said)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for report in terminalreporter.stats.get("passed", ()):
        for name, said in getattr(report, "user_properties", ()):
            if name == COUNTED:
                terminalreporter.write_line(f"counted: {report.nodeid.rpartition('::')[2]}: {said}")


@pytest.fixture(scope="session")
def postgres_admin() -> str:
    """An administrator's URL of the test server."""
    url = os.environ.get(VARIABLE)
    if not url:
        pytest.fail(f"{VARIABLE} names no PostgreSQL server: run `make test`, which brings one up, "
                    "or `python infra/postgres run -- pytest ...`", pytrace=False)
    return url


@pytest.fixture
def postgres_url(postgres_admin: str) -> Iterator[str]:
    """The URL of a new, empty database, dropped afterwards."""
    with _database(postgres_admin) as url:
        yield url


@pytest.fixture
def other_postgres_url(postgres_admin: str) -> Iterator[str]:
    """One more, for what stands apart from the ledger."""
    with _database(postgres_admin) as url:
        yield url


@contextmanager
def _database(postgres_admin: str) -> Iterator[str]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    name = f"ledger_test_{uuid.uuid4().hex}"
    found = conninfo_to_dict(postgres_admin)
    with psycopg.connect(postgres_admin, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield (f"postgresql://{found.get('user')}:{found.get('password', '')}@{found.get('host')}:"
                   f"{found.get('port', 5432)}/{name}")
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def as_role(postgres_url: str) -> Iterator[Callable[[str | None], str]]:
    """From a role of infra/postgres/roles.sql (None: none) to the URL, at the ledger of `postgres_url`, of a user who
    has it. The ledger must have been made."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    found = conninfo_to_dict(postgres_url)
    users: list[str] = []
    with psycopg.connect(postgres_url, autocommit=True) as owner:

        def made(role: str | None) -> str:
            if not users:
                owner.execute(ROLES.read_bytes())
            users.append(f"user_{uuid.uuid4().hex}")
            member = f" IN ROLE {role}" if role else ""
            owner.execute(f"CREATE ROLE {users[-1]} LOGIN PASSWORD 'secret'{member}".encode())
            return (f"postgresql://{users[-1]}:secret@{found.get('host')}:{found.get('port', 5432)}/"
                    f"{found.get('dbname')}")

        try:
            yield made
        finally:
            for user in users:
                owner.execute(f"DROP OWNED BY {user} CASCADE".encode())
                owner.execute(f"DROP ROLE {user}".encode())


@pytest.fixture(scope="session")
def kafka_bootstrap() -> str:
    """host:port[,host:port...] of the test brokers. All tests share them: name topics and groups with
    `topic_prefix`."""
    brokers = os.environ.get(KAFKA)
    if not brokers:
        pytest.fail(f"{KAFKA} names no Kafka broker: run `make test`, which brings one up, "
                    "or `python infra/kafka run -- pytest ...`", pytrace=False)
    return brokers


@pytest.fixture(scope="session")
def broker_certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the brokers (server), of whom they believe (client), and of a stranger (other)."""
    folder = tmp_path_factory.mktemp("tls")
    certificates.make(folder, "server", "client", "other")
    return folder


@pytest.fixture(scope="session")
def brokers(broker_certificates: Path) -> Iterator[Cluster]:
    tls = Encrypted(broker_certificates / "server.pem", broker_certificates / "client.crt", certificates.NAME)
    with Cluster(sized(1, 3), tls) as made:
        yield made


@pytest.fixture
def cluster(request: pytest.FixtureRequest, brokers: Cluster) -> Iterator[Cluster]:
    """Brokers that a test may kill, freeze and restart: one, or three at full size. The
    next test finds them at work."""
    if getattr(request.config.option, "loadgroup", False):
        assert request.node.nodeid.endswith("@brokers"), "every worker starts brokers of its own"
    try:
        yield brokers
    finally:
        if gone := set(brokers.numbers) - brokers.running():
            brokers.kill(*gone)
            brokers.start(*gone)
            brokers.wait_ready()


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    """What the names of a test's topics and groups begin with, such as "t3f9c01ab.": no other test has it. The topics
    are gone afterwards: twice a second the broker looks through all that it has."""
    prefix = f"t{uuid.uuid4().hex[:8]}."
    yield prefix
    if "kafka_bootstrap" in request.fixturenames:
        admin = _administrator(request.getfixturevalue("kafka_bootstrap"))
        admin.delete_topics([name for name in admin.list_topics() if name.startswith(prefix)])


@cache
def _administrator(brokers: str) -> Any:
    from kafka.admin import KafkaAdminClient

    return KafkaAdminClient(bootstrap_servers=brokers)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The address of a ledger that does not exist yet, on each store in turn."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[EventStore]:
    """An empty store, on each backend in turn."""
    with open_store(store_url) as opened:
        yield opened

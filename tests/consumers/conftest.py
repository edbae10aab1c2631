"""Fixtures for consumers: topics on the real broker, an empty database of each kind, a mail server."""

from collections.abc import Iterator

import pytest

from consumers.database import Database
from ledger.wire.kafka import PREFIX

from .notifications_bench import Mailbox
from .support import Topics


@pytest.fixture
def topics(kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Topics]:
    """Every topic of the ledger, three partitions each, under a prefix that this process uses too."""
    monkeypatch.setenv(PREFIX, topic_prefix)
    made = Topics(kafka_bootstrap, topic_prefix)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def own_url(store_url: str) -> str:
    """The address of a consumer's empty database, on each kind in turn."""
    return store_url


@pytest.fixture
def own(own_url: str) -> Iterator[Database]:
    """The same, opened."""
    with Database(own_url) as opened:
        yield opened


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    opened = Mailbox().start()
    try:
        yield opened
    finally:
        opened.stop()

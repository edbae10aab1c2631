"""What people write: rule books, their words, the institution, the treasury's creditor, settings of Kafka."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from unittest.mock import patch

from consumers.treasury.gpd import WrongFile, read_creditor
from ledger.edges.text import visible
from ledger.rulebooks.institution import _read as read_institution
from ledger.rulebooks.loader import Readings, RuleBookError, packaged_readings, read_book
from ledger.rulebooks.words import _entries
from ledger.wire.kafka import CLIENT, KafkaUnusable, connection

from .target import Target, or_refused

PACKAGED = files("ledger.rulebooks")
EXAMPLES = Path(__file__).parents[3] / "examples"


def refused(read: Callable[[str, bytes], object], text: bytes) -> None:
    """A file is read, or each of its faults is named with the file."""

    def each_named() -> object:
        try:
            return read("book.yaml", text)
        except RuleBookError as error:
            for one in error.told():
                assert one.startswith("book.yaml"), one
                assert visible(one) == one
                assert len(one) < 2000
            raise

    or_refused(each_named, RuleBookError, "book.yaml")


@cache
def small_books() -> list[bytes]:
    """A book of a year that tells little, so that reading it takes little, and one with an amendment."""
    small = (PACKAGED / "2023-24.yaml").read_bytes()
    head, _, rules = small.partition(b"\nrules:\n")
    some = rules.split(b"\n  ")[:12]
    amended = (b'\namendments:\n  - known_since: 2024-01-01\n    holds_from: 2024-02-01\n    document: other\n'
               b'    documents: {other: "Another page"}\n    heading: "1."\n    says: "So."\n    rules:\n'
               b'      BLK-1: {days: 31}\n')
    return [head + b"\nrules:\n" + b"\n  ".join(some) + b"\n", small, small + amended]


@cache
def packaged(*names: str) -> list[bytes]:
    return [(PACKAGED / name).read_bytes() for name in names]


@contextmanager
def file_of(text: bytes) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(text)
        file.flush()
        yield Path(file.name)


def words(text: bytes) -> None:
    with file_of(text) as file:
        refused(lambda name, _: _entries(name, file), text)


@cache
def small_words() -> list[bytes]:
    own = (PACKAGED / "it.toml").read_bytes()
    return [b"[".join(own.split(b"[", 6)[:6])]


def creditor(text: bytes) -> None:
    with file_of(text) as file:
        found = or_refused(lambda: read_creditor(file), WrongFile, str(file))
    assert found is None or type(found).model_validate(found.model_dump()) == found


def settings(text: bytes) -> None:
    with file_of(text) as file, patch.dict(os.environ, {CLIENT: str(file)}):
        or_refused(lambda: connection("host:9092"), KafkaUnusable, CLIENT)


TARGETS = (
    Target("rule-book", partial(refused, lambda name, text: read_book(name, text, packaged_readings())), small_books,
           30),
    Target("register", partial(refused, lambda name, text: Readings(name, text).entries),
           lambda: [(PACKAGED / "readings.yaml").read_bytes()[:3000]]),
    Target("institution", partial(refused, read_institution), partial(packaged, "institution.yaml")),
    Target("book-words", words, small_words),
    Target("creditor", creditor, lambda: [(EXAMPLES / "creditor.toml").read_bytes()]),
    Target("kafka-settings", settings, lambda: [
        b'{"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_plain_password": "x"}',
        b'{"sasl_mechanism\\ud800": "PLAIN"}']),  # once refused in words that could not be printed
)

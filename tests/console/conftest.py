"""One server and one browser for all tests of the console."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.bootstrap import open_ledger

from .desk import ROOT, Desk, desk


@pytest.fixture(scope="package")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    url = f"sqlite:///{tmp_path_factory.mktemp('console') / 'demo.db'}"
    with open_ledger(url) as ledger:
        for name, mode in (("imported", "record"), ("current", "enforce")):
            lines = Path(ROOT, "examples", f"{name}.jsonl").read_bytes().splitlines(keepends=True)
            assert {one["outcome"] for one in ledger.append_lines(lines, mode)} <= {"accepted", "refused"}
        ledger.project(threading.Event())
    with desk(url) as made:
        yield made

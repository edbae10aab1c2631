"""How much the slow tests do: rounds of kills, students, messages. The only place that reads the setting.

`CAREER_LEDGER_TEST_SIZE` is empty in `make test`, `faults` in `make faults`, and `proof` for what takes hours. A test
that depends on it is marked `faults`, so that `make faults` runs it again; one that cannot be small is marked `long`
and runs there only.
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
Test = TypeVar("Test", bound=Callable[..., Any])
SIZES = ("", "faults", "proof")
SIZE = SIZES.index(os.environ.get("CAREER_LEDGER_TEST_SIZE", ""))


def sized(test: T, faults: T, proof: T | None = None) -> T:
    """What fits the size asked for; without a `proof` of its own that of `faults`."""
    return test if SIZE == 0 else faults if SIZE == 1 or proof is None else proof


STORES = sized(["postgresql"], ["sqlite", "postgresql"])


def at_a_store(test: Test) -> Test:
    """For what happens to processes while they are at work: on PostgreSQL, at full size on each store (`store_url`)."""
    found: Test = pytest.mark.faults(pytest.mark.parametrize("store_url", STORES, indirect=True)(test))
    return found

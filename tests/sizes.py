"""How much the slow tests do: rounds of kills, students, messages. The only place that reads the setting.

`CAREER_LEDGER_TEST_SIZE` is empty in `make test`, `faults` in `make faults`, and `proof` for what takes hours. A test
that depends on it is marked `faults`, so that `make faults` runs it again; one that cannot be small is marked `long`
and runs there only.
"""

import os
from typing import TypeVar

T = TypeVar("T")
SIZES = ("", "faults", "proof")
SIZE = SIZES.index(os.environ.get("CAREER_LEDGER_TEST_SIZE", ""))


def sized(test: T, faults: T, proof: T | None = None) -> T:
    """What fits the size asked for; without a `proof` of its own that of `faults`."""
    return test if SIZE == 0 else faults if SIZE == 1 or proof is None else proof

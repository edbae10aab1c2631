"""No rule, fold, projection, relay or audit reads a protected field: then no answer needs a key, and none changes when
keys are destroyed."""

import ast
from pathlib import Path

import pytest

from ledger.domain.checked import names
from ledger.domain.events import PAYLOADS
from ledger.domain.protected import NAMES, PROTECTED
from tests.sources import parsed

pytestmark = pytest.mark.xdist_group("code")
LEDGER = Path(__file__).parents[2] / "ledger"
READERS = [path for folder in ("domain", "projections", "relay", "audit", "wire")
           for path in (LEDGER / folder).rglob("*.py")
           if path.relative_to(LEDGER).as_posix() not in ("domain/clear.py", "domain/protected.py")]
PERSONAL = PROTECTED["person-registered"] - {"note"}
OTHERS_OF_THAT_NAME = {
    "ledger/projections/student/words.py": {"block.reason"}, "ledger/relay/states.py": {"block.reason"},
    "ledger/wire/state.py": {"self.reason"},
    "ledger/domain/events.py": {"self.tax_code", "self.former_tax_codes"},
    "ledger/projections/student/what_if.py": {"status.answer", "fees.answer", "eligibility.answer"},
    "ledger/projections/student/timeline.py": {"status.answer"},
    "ledger/domain/law/blocks.py": {"block.reason", "b.reason", "found[0].reason"},
}
"""The sentence of a block is no field of an event, nor is what answers a question; a form is asked before anything is
sealed."""


def test_protected_field_is_read_by_the_one_module_that_says_what_rules_need() -> None:
    found: dict[str, set[str]] = {}
    for path in READERS:
        for node in ast.walk(parsed(path)):
            said = node.attr if isinstance(node, ast.Attribute) else (
                node.args[1].value if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
                and node.func.id == "getattr" and isinstance(node.args[1], ast.Constant) else None)
            if said in NAMES | PERSONAL:
                shown = ast.unparse(node)
                name = path.relative_to(LEDGER.parent).as_posix()
                if shown not in OTHERS_OF_THAT_NAME.get(name, ()):
                    found.setdefault(name, set()).add(shown)
    assert found == {}


def test_field_of_such_a_name_is_protected_wherever_it_stands() -> None:
    for name, payload in PAYLOADS.items():
        assert NAMES.intersection(names(payload)) <= PROTECTED[name]
        assert "note" in PROTECTED[name]
    assert PROTECTED["person-registered"] == set(names(PAYLOADS["person-registered"]))

"""How the code is laid out: no circle of imports, each rule where one looks for it, a
catalogue that leaves nothing out."""

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from ledger.domain.events import ACTS, PAYLOADS
from ledger.domain.law import catalogue
from tests.rule_table import files
from tests.sources import parsed

pytestmark = pytest.mark.xdist_group("code")
ROOT = Path(__file__).resolve().parents[2]
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
           for top in ("ledger", "consumers") for path in (ROOT / top).rglob("*.py")}
AUDITOR = "ledger.proofs.auditor"
"""A program of its own, read alone and run where there is nothing else of ours."""


def imported(name: str, path: Path) -> Iterator[str]:
    """Our modules that a module imports anywhere, also only when a function runs."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[:len(package) - node.level + 1], *filter(None, [node.module])]
                            if node.level else [node.module or ""])
            for alias in node.names:
                yield found if (found := f"{base}.{alias.name}") in MODULES else base


def test_imports_go_in_no_circle() -> None:
    graph = {name: {one for one in imported(name, path) if one in MODULES and one != name}
             for name, path in MODULES.items()}
    assert "ledger.domain.fold" in graph["ledger.domain.timelines"]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_entry_points_open_nothing_themselves() -> None:
    opens = re.compile(r"\b(?:open_store|open_database|load_books|Positions|Relay|Follower)\(")
    assert [str(path) for path in (ROOT / "ledger" / "entrypoints").rglob("*.py")
            if opens.search(path.read_text())] == []


def test_no_program_hands_settings_on_in_its_environment() -> None:
    sets = re.compile(r"environ\[[^]]*\] *=[^=]|environ\.(?:update|setdefault|pop)\(|putenv\(")
    assert sets.search('os.environ["X"] = y')
    assert [str(path) for top in ("ledger", "consumers") for path in (ROOT / top).rglob("*.py")
            if sets.search(path.read_text())] == []


def named(path: Path) -> Iterator[str]:
    """The public classes and type aliases of a module: what it gives a name in capitals and small letters."""
    for node in parsed(path).body:
        match node:
            case ast.ClassDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(
                    target=ast.Name(id=name)) if re.fullmatch(r"[A-Z]\w*[a-z]\w*", name):
                yield name


def test_no_two_types_share_a_name() -> None:
    homes: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        for name in named(path) if module != AUDITOR else ():
            homes.setdefault(name, []).append(module)
    assert homes["Career"] == ["ledger.domain.state"]
    assert homes["Row"] == ["ledger.sql.base"]
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def test_most_rules_have_their_code_in_one_file() -> None:
    counts = [len(modules) for modules in files().values()]
    assert counts.count(1) >= 120
    assert sum(n > 2 for n in counts) <= 12


@pytest.mark.parametrize(("rule", "chapter"), [("BLK-1", "blocks"), ("RIS-7", "reservation"),
                                               ("RIN-3", "withdrawal"), ("LAU-1", "degree")])
def test_rule_is_checked_in_one_chapter_when_a_registrar_looks_for_it(rule: str, chapter: str) -> None:
    assert files()[rule] == [f"ledger.domain.law.{chapter}"]


def test_catalogue_names_a_missing_handler_when_a_type_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "HANDLERS",
                        {name: one for name, one in catalogue.HANDLERS.items() if name != "ranked"})
    monkeypatch.setattr(catalogue, "PREDICATES",
                        {name: one for name, one in catalogue.PREDICATES.items() if name != "resumed"})
    assert catalogue.gaps() == ["ranked", "resumed"]


def test_catalogue_knows_every_type_and_act() -> None:
    assert catalogue.gaps() == []
    assert catalogue.PREDICATES.keys() == ACTS
    assert catalogue.HANDLERS.keys() < PAYLOADS.keys()

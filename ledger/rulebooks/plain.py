"""The plain data of a YAML file: texts, numbers, days, lists and entries, and nothing that acts, grows or hides.

Refused: a field that stands twice (YAML would keep the last), what is written once and used twice (aliases and `<<`,
which grow without end when they are read), and a value that is not what its tag says.
"""

from typing import Any

import yaml
from yaml.constructor import ConstructorError

MERGE, WORD = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"
CONFIRM = "!confirm"
"""Before each value of a draft (`draft.py`): no book that has it is read as law."""
LONGEST_SHOWN = 60
LARGEST = 10**9
FIRST_YEAR, LAST_YEAR = 1900, 2199


class Wrong(ConstructorError):
    """Well-formed YAML, and still no plain data."""

    def __init__(self, problem: str, node: Any) -> None:
        super().__init__(None, None, problem, node.start_mark)


class Plain(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Raises YAMLError."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if node.id != "mapping":
            raise Wrong("write fields here, each with its name", node)
        seen = set()
        for key, _ in node.value:
            if key.tag == MERGE:
                raise Wrong("`<<` is not read in a rule book; write the fields out", key)
            if key.tag != WORD or not isinstance(key.value, str):
                raise Wrong("the name of a field is a word; put it in quotes", key)
            if key.value in seen:
                raise Wrong(f"{shown(key.value)} stands here a second time; keep one", key)
            seen.add(key.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        if node in self.constructed_objects or node in self.recursive_objects:
            raise Wrong("aliases (*name) are not read in a rule book; write the value out", node)
        try:
            found = super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except Exception:
            raise Wrong(f"{_text(node)}is no {node.tag.rpartition(':')[2]}; mend the value or remove the !! before it",
                        node) from None
        if isinstance(found, int) and abs(found) > LARGEST:
            raise Wrong(f"{_text(node)}is too large a number", node)
        return found


def _text(node: Any) -> str:
    return f"{shown(node.value)} " if isinstance(node.value, str) else ""


def _day(loader: Any, node: Any) -> Any:
    """2026-02-30 and 9999-12-31 stay texts: the shape of the book refuses them and names the field."""
    try:
        found = loader.construct_yaml_timestamp(node)
    except (ValueError, OverflowError):
        return node.value
    return found if FIRST_YEAR <= found.year <= LAST_YEAR else node.value


def _unconfirmed(loader: Any, node: Any) -> Any:
    raise Wrong(f"this value was taken over from another year: compare it with the guide, then remove {CONFIRM} before "
                "it; `career-ledger rules check FILE` lists them all", node)


Plain.add_constructor("tag:yaml.org,2002:timestamp", _day)
Plain.add_constructor(CONFIRM, _unconfirmed)


def shown(value: str, longest: int = LONGEST_SHOWN) -> str:
    return value if len(value) <= longest else f"{value[:longest]}..."

"""The plain data of a YAML file: texts, numbers, days, lists and entries, and nothing that acts, grows or hides.

Refused: a field that stands twice (YAML would keep the last), what is written once and used twice (aliases and `<<`,
which grow without end when they are read), and a value that is not what its tag says.
"""

from typing import Any

import yaml
from yaml.constructor import ConstructorError

from ledger.domain.phrases import Phrase, says

MERGE, WORD = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"
CONFIRM = "!confirm"
"""Before each value of a draft (`draft.py`): no book that has it is read as law."""
LONGEST_SHOWN = 60
LARGEST = 10**9
FIRST_YEAR, LAST_YEAR = 1900, 2199


class Wrong(ConstructorError):
    """Well-formed YAML, and still no plain data. `told` says what to do."""

    def __init__(self, told: Phrase, node: Any) -> None:
        super().__init__(None, None, told.id, node.start_mark)
        self.told = told


class Plain(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Raises YAMLError."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if node.id != "mapping":
            raise Wrong(says("book/fields"), node)
        seen = set()
        for key, _ in node.value:
            if key.tag == MERGE:
                raise Wrong(says("book/merge"), key)
            if key.tag != WORD or not isinstance(key.value, str):
                raise Wrong(says("book/field-name"), key)
            if key.value in seen:
                raise Wrong(says("book/twice", text=shown(key.value)), key)
            seen.add(key.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        if node in self.constructed_objects or node in self.recursive_objects:
            raise Wrong(says("book/alias"), node)
        try:
            found = super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except Exception:
            raise Wrong(says("book/other-kind", text=_text(node), type=node.tag.rpartition(":")[2]), node) from None
        if isinstance(found, int) and abs(found) > LARGEST:
            raise Wrong(says("book/too-large", text=_text(node)), node)
        return found


def _text(node: Any) -> str:
    return shown(node.value) if isinstance(node.value, str) else "..."


def _day(loader: Any, node: Any) -> Any:
    """2026-02-30 and 9999-12-31 stay texts: the shape of the book refuses them and names the field."""
    try:
        found = loader.construct_yaml_timestamp(node)
    except (ValueError, OverflowError):
        return node.value
    return found if FIRST_YEAR <= found.year <= LAST_YEAR else node.value


def _unconfirmed(loader: Any, node: Any) -> Any:
    raise Wrong(says("book/to-confirm"), node)


Plain.add_constructor("tag:yaml.org,2002:timestamp", _day)
Plain.add_constructor(CONFIRM, _unconfirmed)


def shown(value: str, longest: int = LONGEST_SHOWN) -> str:
    return value if len(value) <= longest else f"{value[:longest]}..."

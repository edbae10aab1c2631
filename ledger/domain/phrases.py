"""What is to be told, without words: the id of a message and its values. `ledger.words` has
the words, in each language."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec


class Phrase(msgspec.Struct, frozen=True, eq=False):
    """A message by its id: that of the rule that speaks, with a variant (`RIN-3/lapsed`) where the rule has several.

    The name of a value says what it is (`ledger.words.values`): an amount in euro, a day, a charge key, phrases that
    are told together. Values hold no more than the sentence shows. `carried`: the sentence and the remedy that came
    with it from another release, for an id or a value that this one has no words for."""

    id: str
    values: Mapping[str, Any]
    carried: tuple[str, str] | None = None

    def __eq__(self, other: object) -> bool:
        """Whatever was carried."""
        return (self.id, self.values) == (other.id, other.values) if isinstance(other, Phrase) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.id, self.values))

    def as_json(self) -> dict[str, Any]:
        """As the published language has it: id and parameters."""
        return {"message_id": self.id, "params": {name: _plain(value) for name, value in self.values.items()}}


class Remedy(msgspec.Struct, frozen=True):
    """What the same message says would remove the matter."""

    of: Phrase


def says(id: str, **values: Any) -> Phrase:
    return Phrase(id, values)


VERBATIM = "verbatim"


def verbatim(said: str, remedy: str = "") -> Phrase:
    """Words that an earlier release stored or sent: they are carried as they are."""
    return Phrase(VERBATIM, {"said": said, "remedy": remedy})


def _plain(value: Any) -> Any:
    if isinstance(value, Phrase):
        return value.as_json()
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value

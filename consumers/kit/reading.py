"""JSON that comes from outside: one text, read strictly."""

import re
from typing import Any

from jiter import from_json

from ledger.domain.phrases import Phrase, says
from ledger.words import sentence

_TWICE = re.compile(r'Detected duplicate key "(.*)" at line', re.DOTALL)


class BadJson(ValueError):
    """This is no JSON that can be used. `field`: the name that stands twice in one object, where that is what is
    wrong."""

    def __init__(self, told: Phrase, field: str | None = None) -> None:
        super().__init__(sentence(told))
        self.told, self.field = told, field


def read_json(text: bytes) -> Any:
    """Raises BadJson: also for names that stand twice, nesting beyond reason, NaN, numbers without end and lone
    surrogates."""
    try:
        return from_json(text, catch_duplicate_keys=True, allow_inf_nan=False)
    except ValueError as error:
        said = str(error)
    if (twice := _TWICE.match(said)) is not None:
        raise BadJson(says("json/twice"), twice[1][:60])
    if said.startswith("recursion limit"):
        raise BadJson(says("json/too-deep"))
    raise BadJson(says("json/broken", text=said[:100]))

"""JSON that comes from outside: one text, read strictly."""

import re
from typing import Any

from jiter import from_json

_TWICE = re.compile(r'Detected duplicate key "(.*)" at line', re.DOTALL)


class BadJson(ValueError):
    """This is no JSON that can be used. `field`: the name that stands twice in one object, where that is what is
    wrong."""

    def __init__(self, text: str, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


def read_json(text: bytes) -> Any:
    """Raises BadJson: also for names that stand twice, nesting beyond reason, NaN, numbers without end and lone
    surrogates."""
    try:
        return from_json(text, catch_duplicate_keys=True, allow_inf_nan=False)
    except ValueError as error:
        said = str(error)
    if (twice := _TWICE.match(said)) is not None:
        raise BadJson("this field stands twice: keep one of them", twice[1][:60])
    if said.startswith("recursion limit"):
        raise BadJson("nested too deeply: write one flat object")
    raise BadJson(f"this is no JSON ({said[:100]})")

"""Whatever names a student or a career refuses the placeholder of the ticket form (TKT-2)."""

from typing import Any, get_type_hints

import pytest
from pydantic import TypeAdapter, ValidationError

from ledger.domain.events import PAYLOADS
from ledger.domain.submissions import _Envelope, read_submission
from ledger.domain.values import Pseudonym
from ledger.words import sentence

NAMING = sorted((model.__name__, field, annotation) for model in {_Envelope, *PAYLOADS.values()}
                for field, annotation in get_type_hints(model, include_extras=True).items()
                if field in ("student", "career") or field.endswith(("_student", "_career")))


@pytest.mark.parametrize(("model", "field", "annotation"), NAMING,
                         ids=[f"{model}.{field}" for model, field, _ in NAMING])
@pytest.mark.parametrize("value", ["9999", "99999", "0099999", "09999", " 99999", "99999 ", "99999\n"])
def test_field_is_refused_when_it_holds_the_placeholder(model: str, field: str, annotation: Any, value: str) -> None:
    assert annotation in (Pseudonym, Pseudonym | None)
    assert TypeAdapter(annotation).validate_python("999991") == "999991"
    with pytest.raises(ValidationError):
        TypeAdapter(annotation).validate_python(value)


@pytest.mark.parametrize(("change", "path"), [({"student": "99999"}, "student"), ({"career": "0009999"}, "career"),
                                              ({"data": {"to_career": "9999", "academic_year": "2025-26"}},
                                               "data.to_career")])
def test_submission_is_invalid_with_the_field_and_the_fix_when_it_names_the_placeholder(change: dict[str, Any],
                                                                                        path: str) -> None:
    given = {"id": "1", "type": "programme-changed", "student": "S1", "career": "B", "effective_on": "2025-10-01",
             "source": "test", "actor": "test", "data": {"to_career": "C", "academic_year": "2025-26"}} | change
    [problem] = read_submission(given)  # type: ignore[misc]
    said = sentence(problem.message, "en")  # type: ignore[union-attr]
    assert (problem.path, "give the pseudonym itself" in said) == (path, True)  # type: ignore[union-attr]

"""Whether a running server answers as its OpenAPI document says, to requests that schemathesis makes of it."""

from collections.abc import Mapping
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

NOT_ASKED = [positive_data_acceptance, negative_data_rejection]
"""A form does not say which rules speak against an act, nor that a list is answered one by one."""


def conforms(document: dict[str, Any], port: int, real: Mapping[str, str], headers: Mapping[str, str],
             examples: int) -> int:
    """How many operations were asked, the same way each time. `real`: what stands for a name in a path."""
    count = 0
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        count += 1

        @settings(max_examples=examples, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy())
        def ask(case: Any) -> None:
            case.path_parameters.update({name: real[name] for name in case.path_parameters if name in real})
            case.call_and_validate(base_url=f"http://127.0.0.1:{port}", headers=dict(headers),
                                   excluded_checks=NOT_ASKED)

        ask()
    return count

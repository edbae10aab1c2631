"""Two ways to run: `ci` (the same 12 histories every time, 100 at full size) and `deep` (the proof: 5,000 new ones).

The stories given as examples are what the search has found before; `ci` tells them too.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.sizes import sized

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example, HealthCheck.filter_too_much)
settings.register_profile("ci", max_examples=sized(12, 100), derandomize=True, deadline=None,
                          database=None, suppress_health_check=_SLOW)
settings.register_profile("deep", max_examples=5000, deadline=None, database=None, print_blob=True,
                          phases=(Phase.generate, Phase.shrink), suppress_health_check=_SLOW)
settings.load_profile(sized("ci", "ci", "deep"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = f"{Path(__file__).parent}/"
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker("faults")

"""Two ways to run: `ci` (the default: the same 100 histories every time) and `deep` (HYPOTHESIS_PROFILE=deep: 5,000 new ones).

The stories given as examples are what the search has found before; `ci` tells them too.
"""

import os

from hypothesis import HealthCheck, Phase, settings

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example, HealthCheck.filter_too_much)
settings.register_profile("ci", max_examples=100, derandomize=True, deadline=None, database=None, suppress_health_check=_SLOW)
settings.register_profile("deep", max_examples=5000, deadline=None, database=None, print_blob=True, phases=(Phase.generate, Phase.shrink),
                          suppress_health_check=_SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

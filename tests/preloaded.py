"""What the server of `tests.processes` has ready for all that are forked from it: the programs, with whatever they
import when a command is named, and the rule books."""

import gc
from functools import cache
from importlib import import_module
from pkgutil import walk_packages

import consumers
import ledger
from ledger.rulebooks import loader

for package in (ledger, consumers):
    for module in walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
for name in ("holidays.countries.italy", "tests.consumers.notifications_bench", "tests.handling.workers",
             "tests.projections.workers", "tests.store.workers"):
    import_module(name)
loader.read_stages = cache(loader.read_stages)
loader.load_books()
gc.freeze()  # else the first collection of each would copy what is shared

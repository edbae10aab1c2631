"""What the server of `tests.processes` has ready for all that are forked from it: the programs, and the rule books."""

import gc
from functools import cache
from importlib import import_module

from ledger.rulebooks import loader

for name in ("consumers.archive.service", "consumers.archive.verify", "consumers.booking_gate.http",
             "consumers.booking_gate.service", "consumers.kit.command", "consumers.notifications.service",
             "consumers.treasury.gpd", "consumers.treasury.reconcile", "consumers.treasury.service",
             "ledger.entrypoints.cli.kafka", "ledger.handling.bulk", "ledger.intake.run", "ledger.store",
             "tests.consumers.notifications_bench", "tests.projections.workers"):
    import_module(name)
loader.read_stages = cache(loader.read_stages)
loader.load_books()
gc.freeze()  # else the first collection of each would copy what is shared

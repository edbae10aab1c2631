"""An intake as `career-ledger intake` runs it, with further settings of its consumer: a quicker group, mostly."""

import json
import logging
import signal
import sys
import threading

from ledger.bootstrap import clock, law
from ledger.intake.run import Serving, run
from ledger.store import open_store


def main(url: str, brokers: str, *settings: str) -> None:
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    run(lambda: open_store(url), law(), clock, brokers, Serving(stop, print),
        {name: json.loads(value) for name, _, value in (one.partition("=") for one in settings)})


if __name__ == "__main__":
    main(*sys.argv[1:])

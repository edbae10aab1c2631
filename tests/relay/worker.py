"""`career-ledger publish` with small chunks, so that whatever happens happens in the middle of many.

    python -m tests.relay.worker EVENTS STATES [--db URL] publish ...
"""

import sys
from functools import partial

import ledger.relay
from ledger.entrypoints.cli import cli

if __name__ == "__main__":
    chunks = int(sys.argv[1]), int(sys.argv[2])
    ledger.relay.Relay = partial(ledger.relay.Relay, chunks=chunks)
    cli(args=sys.argv[3:], prog_name="career-ledger")

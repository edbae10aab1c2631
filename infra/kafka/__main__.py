"""A private Apache Kafka for the length of one command.

    python infra/kafka run -- pytest tests
    python infra/kafka run --brokers 3 -- COMMAND

The brokers named in CAREER_LEDGER_TEST_KAFKA are used as they are. Otherwise one (or three) are started in KRaft mode
on free loopback ports, with their files in a temporary folder. Java 17 and Maven come from Debian's packages where
apt-get may install them, that is as root; Kafka itself comes once from Maven Central into the user's cache.
COMMAND finds them in CAREER_LEDGER_TEST_KAFKA as host:port[,host:port...]. Afterwards, also on SIGINT, SIGTERM and
SIGHUP, they are ended and their folder is removed.

Exit code: that of COMMAND (128 + N when signal N ended it); 69 when no Kafka could be brought up; 64 for wrong usage.
Needs nothing but Python's standard library.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

# run as a folder, Python would look for modules in this folder only
sys.path[0] = str(Path(__file__).resolve().parents[2])

from infra.command import run  # noqa: E402
from infra.kafka.cluster import Cluster  # noqa: E402
from infra.kafka.install import NoBroker, say  # noqa: E402

VARIABLE = "CAREER_LEDGER_TEST_KAFKA"


@contextmanager
def cluster(brokers: int) -> Iterator[str]:
    """The address of brokers that run, and are gone afterwards."""
    with Cluster(brokers) as made:
        yield made.bootstrap


def main(arguments: list[str]) -> int:
    if "--" not in arguments:
        print(__doc__, file=sys.stderr)
        return 64
    split = arguments.index("--")
    command = arguments[split + 1:]
    parser = argparse.ArgumentParser(prog="python infra/kafka", add_help=False, exit_on_error=False)
    parser.add_argument("verb", choices=["run"])
    parser.add_argument("--brokers", type=int, choices=[1, 3], default=1)
    try:
        options = parser.parse_args(arguments[:split])
    except (argparse.ArgumentError, SystemExit):
        options = None
    if options is None or not command:
        print(__doc__, file=sys.stderr)
        return 64
    try:
        return run(command, VARIABLE, partial(cluster, options.brokers))
    except NoBroker as error:
        say(str(error))
        return 69
    except FileNotFoundError as error:
        say(f"there is no command {error.filename!r}")
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

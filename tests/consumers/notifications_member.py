"""The service as a process whose clock stands as many seconds away from the real one as its environment says."""

import os
from datetime import datetime, timedelta, timezone

import click

from consumers.kit import command
from consumers.notifications.service import Notifications
from ledger.edges.post import MailServer, Post

from .notifications_bench import SENDER

SHIFT, PORT, LEASE = "CAREER_LEDGER_TEST_SHIFT", "CAREER_LEDGER_TEST_SMTP_PORT", "CAREER_LEDGER_TEST_LEASE"
LEASE_SECONDS = 1.0


@click.group()
def main() -> None:
    """Notifications for tests."""


@main.command()
@command.run_options
def run(running: command.Running) -> None:
    """As `python -m consumers.notifications run`, but for the clock and a short lease."""
    shift = timedelta(seconds=float(os.environ[SHIFT]))
    service = Notifications(Post(MailServer("127.0.0.1", int(os.environ[PORT]))), SENDER,
                            clock=lambda: datetime.now(timezone.utc) + shift,
                            lease_seconds=float(os.environ.get(LEASE, LEASE_SECONDS)))
    command.run(service, running)


if __name__ == "__main__":
    main()

"""Every setting that a program of ours reads from the environment, and what it is worth now: `config show`."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from ledger.edges.address import hidden

PREFIX = "CAREER_LEDGER_"
HIDDEN = "***"
_KEY = re.compile(r"[0-9A-Fa-f]{8,}|.*[0-9A-Fa-f]{16}.*|career-ledger-master.*|PRIVATE.*", re.DOTALL)


def _address(value: str) -> str:
    return hidden(value)


def _secret(_: str) -> str:
    return HIDDEN


def _key_or_file(value: str) -> str:
    """A key, or half of one, is hidden; the file that holds it is not."""
    return HIDDEN if _KEY.fullmatch(value.strip()) else value


class Setting(NamedTuple):
    """`option` of `career-ledger` before its command; None where there is none, or other programs have it."""

    variable: str
    option: str | None = None
    default: str | None = None
    shown: Callable[[str], str] = _address


SETTINGS = (
    Setting(f"{PREFIX}DB", "db"), Setting(f"{PREFIX}RULEBOOKS", "rulebooks"), Setting(f"{PREFIX}KEYS", "keys"),
    Setting(f"{PREFIX}LANG", "lang"), Setting(f"{PREFIX}LOG", default="text"),
    Setting(f"{PREFIX}DIGEST_KEY", shown=_key_or_file), Setting(f"{PREFIX}MASTER_KEY", shown=_key_or_file),
    Setting(f"{PREFIX}SIGNING_KEY", shown=_key_or_file),
    Setting(f"{PREFIX}KAFKA"), Setting(f"{PREFIX}KAFKA_CONFIG"), Setting(f"{PREFIX}KAFKA_COMPRESSION", default="gzip"),
    Setting(f"{PREFIX}TOPIC_PREFIX", default=""), Setting(f"{PREFIX}ORIGIN", default="urn:career-ledger"),
    Setting(f"{PREFIX}REFERENCE"), Setting(f"{PREFIX}ESERVICES"),
    Setting(f"{PREFIX}HTTP_TOKEN", shown=_secret), Setting(f"{PREFIX}ISSUER"), Setting(f"{PREFIX}AUDIENCE"),
    Setting(f"{PREFIX}ROLES_CLAIM", default="roles"), Setting(f"{PREFIX}STUDENT_CLAIM", default="student"),
    Setting(f"{PREFIX}CLIENT_ID"), Setting(f"{PREFIX}CLIENT_SECRET", shown=_secret), Setting(f"{PREFIX}PUBLIC_URL"),
    Setting(f"{PREFIX}CONSUMER_DB"), Setting(f"{PREFIX}ARCHIVE"),
    Setting(f"{PREFIX}CHECKPOINTS"), Setting(f"{PREFIX}SERVICES"),
    Setting(f"{PREFIX}SMTP"), Setting(f"{PREFIX}SMTP_USER"), Setting(f"{PREFIX}SMTP_PASSWORD", shown=_secret),
    Setting(f"{PREFIX}MAIL_SENDER"), Setting(f"{PREFIX}MAIL_REPLY_TO"),
    *(Setting(name) for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER")), Setting("PGPASSWORD", shown=_secret),
    *(Setting(name) for name in ("PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGOPTIONS", "PGSSLMODE", "PGSSLROOTCERT",
                                 "PGSSLCERT", "PGSSLKEY", "NO_COLOR")),
)
ELSEWHERE = (f"{PREFIX}TEST_", f"{PREFIX}POSTGRES_", f"{PREFIX}KAFKA_PORT")
"""Begin the names of those of the tests and of infra/compose.yaml."""


class ShownSetting(NamedTuple):
    """`value`: None where there is none. `origin`: option, environment, default."""

    setting: str
    option: str | None
    value: str | None
    origin: str


def shown(given: Mapping[str, str], defaults: Mapping[str, str],
          environment: Mapping[str, str] = os.environ) -> Iterator[ShownSetting]:
    """`given` by options; `defaults`: those that depend on the machine. PostgreSQL's own only where they are set."""
    for one in SETTINGS:
        option = f"--{one.option}" if one.option else None
        value, origin = given.get(one.option or ""), "option"
        if value is None:
            value, origin = environment.get(one.variable), "environment"
        if value is None or (not value and one.default is None):  # an empty one counts as none
            if not one.variable.startswith(PREFIX):
                continue
            value, origin = defaults.get(one.option or "", one.default), "default"
        yield ShownSetting(one.variable, option, None if value is None else one.shown(value), origin)


def unknown(environment: Mapping[str, str] = os.environ) -> list[tuple[str, str | None]]:
    """The variables that look like ours and that no program reads, each with what may be meant."""
    known = [one.variable.removeprefix(PREFIX) for one in SETTINGS if one.variable.startswith(PREFIX)]
    found = [name for name in sorted(environment) if name.startswith(PREFIX) and not name.startswith(ELSEWHERE)
             and name.removeprefix(PREFIX) not in known]
    return [(name, next((PREFIX + one for one in get_close_matches(name.removeprefix(PREFIX), known, 1)), None))
            for name in found]

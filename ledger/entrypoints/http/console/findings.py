"""What the records of everybody show that the rules forbid: counted by rule, then one by one. A look through a whole
ledger may take minutes: it is made in processes of its own, and the page tells how far it is."""

import threading
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from ledger.audit.totals import SEVERITIES, Totals
from ledger.bootstrap import Answer, HowToAudit, Ledger
from ledger.domain.events import Event
from ledger.domain.phrases import says
from ledger.edges.log import Note
from ledger.edges.program import fault, say
from ledger.edges.text import comma_separated
from ledger.entrypoints.audit_report import by_rule, says_of
from ledger.words import Language, told

from ..asked import whole
from ..problems import Misasked
from .visit import Visit

ROWS = 25
KEPT = 20_000
"""Findings of a look that stay in memory (about 30 MB); all are counted."""
FIRST_SECONDS = 1.0
"""So long whoever starts a look waits for its end; after that for how far it is."""
COLUMNS = ("rule", "severity", "student", "career", "academic_year", "event", "effective_on", "message")


class LookedAt(NamedTuple):
    """On which day, as known when."""

    on: date
    known_at: datetime | None


class LookAtAll:
    """One look through the ledger, in a thread of its own."""

    def __init__(self, ledger: Ledger, asked: LookedAt) -> None:
        self.asked, self.totals, self.rows = asked, Totals(), list[Answer]()
        self.done, self.of, self.failed = 0, 1, False
        self.position = ledger.log.last_position()
        self.ended = threading.Event()
        self._ledger = ledger
        threading.Thread(target=self._run, name="findings", daemon=True).start()

    def wanted(self, rule: str, severity: str) -> list[Answer]:
        """Those of a rule, or of a severity ("": of any)."""
        return [one for one in self.rows if rule in ("", one["rule"]) and severity in ("", one["severity"])]

    def _run(self) -> None:
        try:
            found = self._ledger.audit((), *self.asked, None, HowToAudit(progress=self._told))
            for one in self.totals.watched(found):
                if len(self.rows) < KEPT:
                    self.rows.append(one)
        except Exception as error:  # told of on the page: whatever it is, the server goes on
            say(Note("serve/findings", "the look at everybody failed: {place}", "error", place=fault(error)),
                "career-ledger")
            self.failed = True
        finally:
            self.ended.set()

    def _told(self, done: int, of: int) -> None:
        self.done, self.of = done, of


class LooksAtAll:
    """The last look that somebody asked for. Used by several threads."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self._lock = ledger, threading.Lock()
        self._last: LookAtAll | None = None

    def forget(self) -> None:
        self._last = None

    def of(self, asked: LookedAt) -> LookAtAll | None:
        """None where it has not been asked for; that of another question is not broken off."""
        last = self._last
        return last if last is not None and last.asked == asked else None

    def begin(self, asked: LookedAt) -> None:
        """Raises Misasked while another question is looked into."""
        with self._lock:
            if self._last is not None and not self._last.ended.is_set():
                if self._last.asked != asked:
                    raise Misasked(409, "busy", says("console/busy"))
                return
            self._last = LookAtAll(self.ledger, asked)
        self._last.ended.wait(FIRST_SECONDS)


def shown(looks: LooksAtAll, asked: Visit, rulebooks: Path | None) -> dict[str, Any]:
    """What the page shows. `rulebooks`: the institution's own folder, for what its rules say. Raises Misasked."""
    rule, severity, start = _chosen(asked.given)
    look = looks.of(LookedAt(asked.on, asked.known_at))
    found: dict[str, Any] = {"tab": "findings", "look": look, "running": look is not None and not look.ended.is_set(),
                             "rule": rule, "severity": severity, "severities": SEVERITIES}
    if look is None or found["running"]:
        return found
    rows = sorted(look.wanted(rule, severity), key=lambda one: SEVERITIES.index(one["severity"]))
    return found | {
        "picture": by_rule(look.totals, asked.language) if len(look.totals) else None,
        "by_rule": sorted(look.totals.by("rule"), key=lambda one: [-one[name] for name in SEVERITIES]),
        "says": says_of(looks.ledger.books, asked.language, rulebooks),
        "count": len(rows), "rows": told(rows[start:start + ROWS], asked.language),
        "events": _events(looks.ledger, rows[start:start + ROWS]),
        "start": start, "following": start + ROWS if start + ROWS < len(rows) else None}


def _events(ledger: Ledger, rows: list[Answer]) -> dict[tuple[str, str], Event]:
    """Those that the rows are about, by student and id."""
    wanted = {(row["student"], row["event"]) for row in rows if row.get("student") and row.get("event")}
    streams = ledger.log.streams({student for student, _ in wanted}, aside=lambda _: None)
    return {(student, one.id): one for student, events in streams.items() for one in events
            if (student, one.id) in wanted}


def as_csv(looks: LooksAtAll, asked: Visit, language: Language) -> bytes:
    """Those that the page lists. Raises Misasked where nobody has looked yet."""
    rule, severity, _ = _chosen(asked.given)
    look = looks.of(LookedAt(asked.on, asked.known_at))
    if look is None or not look.ended.is_set():
        raise Misasked(404, "not-found", says("console/not-looked"))
    return comma_separated(COLUMNS, (told(one, language) for one in look.wanted(rule, severity))).encode()


def _chosen(given: Mapping[str, str]) -> tuple[str, str, int]:
    start = whole(given.get("from", "0"), 9)
    if given.keys() - {"rule", "severity", "from"} or start < 0:
        raise Misasked(400, "bad-query", says("http/query"))
    return given.get("rule", ""), given.get("severity", ""), start

"""The timelines of every student in tables of the same database, for questions about everybody.

One table a kind of row (`ledger.domain.timelines.COLUMNS`), keyed by the student, and a table of positions. Dates are
date columns (ISO text in SQLite), amounts are integer cents: exact on both stores, and sums need no conversion.

Rows and position change in one transaction. eventsourcing's tracking records are not used for it: they hold one
position for an application name and must rise with each event, while here one transaction takes a page of events, a
partition has its own position, a rebuild sets all of them, and each row also says under which law it was computed. The
guarantee is the same and is kept by compare-and-set: a transaction begins by moving its partition's position on from
where it started.

`Follower` keeps the tables up to date, `rebuild` makes them anew, `verify` and `diff` compare them with what is
computed, `reports` answers questions. Only rows are read for an answer, never the events.
"""

from .database import Position, ProjectionDatabase, RebuildNeeded
from .follower import Follower, wait_for
from .open import open_database
from .shape import law_of

__all__ = ["Follower", "Position", "ProjectionDatabase", "RebuildNeeded", "law_of", "open_database", "wait_for"]

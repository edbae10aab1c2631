"""What is known of a ledger outside its database: whoever is to write looks here whether an older copy stands in the
place of the ledger.

- The file beside the signing key holds the newest checkpoint that was signed (`signing`): one file to read.
- The topics hold what was published. The relay reads them, and where they go on above the log it notes so in its table
  (`relay_positions`), which went back with the database.

Without a signing key, and without a relay that has started since, an older copy cannot be told from the ledger.
"""

from typing import NamedTuple

from ledger.domain.phrases import Phrase, says
from ledger.sql.base import Transaction
from ledger.store import StoreUnusable

from .auditor import read_checkpoint
from .sequencer import is_given_up
from .signing import Signed, signed_file, signed_in
from .tables import Kept


class Behind(StoreUnusable):
    """The database is an older copy of the ledger. `told` says what is missing."""


class TopicsNotRead(StoreUnusable):
    """The ledger was published, and nobody has looked what the topics hold."""


class KnownOutside(NamedTuple):
    """Of a ledger and of what is known of it outside. `signed`: None where nothing was, or it is in the database;
    `position`: of the last event; `size`: entries that are sealed; `published`: the highest position in a topic, as the
    relay has noted it; `is_published`: whether it ever was."""

    position: int
    size: int
    signed: Signed | None
    published: int
    is_published: bool

    @property
    def lacks(self) -> Phrase | None:
        """What is missing, in words; None where nothing is known to be."""
        if self.signed is not None:
            return says("behind/signed", count=self.signed.checkpoint.size, more=self.size,
                        text=self.signed.checkpoint.origin, position=self.position)
        if self.published > self.position:
            return says("behind/published", count=self.published, position=self.position)
        return None

    @property
    def reached(self) -> int:
        """The highest position that is known to have been given."""
        signed = 0
        if self.signed is not None:  # without the position: at least so many events
            signed = self.signed.position or self.position + max(self.signed.checkpoint.size - self.size, 0)
        return max(self.position, signed, self.published)


def known(tx: Transaction) -> KnownOutside:
    """Of the ledger in this database. Raises StoreUnusable."""
    file, kept = signed_file(), Kept(tx)
    signed = signed_in(file) if file is not None else None
    key = "notification_id" if tx.dialect == "postgresql" else "rowid"
    [(position,)] = tx.ask(f"SELECT coalesce(max({key}), 0) FROM stored_events")  # noqa: S608 - our own name
    [(published, topics)] = tx.ask("SELECT coalesce(max(position), 0), count(*) FROM relay_positions") \
        if tx.has("relay_positions") else [(0, 0)]
    size = 0
    if signed is not None:
        last = kept.last() if tx.has("log_checkpoints") else None
        if is_given_up(signed.checkpoint, kept.epochs()) or (last is not None and _holds(kept, signed, position)):
            signed = None
        size = last.size if last is not None else 0
    return KnownOutside(position, size, signed, published, topics > 0)


def look(tx: Transaction) -> None:
    """Raises Behind where the database is known to be an older copy, StoreUnusable."""
    if (lacks := known(tx).lacks) is not None:
        raise Behind(lacks)


def _holds(kept: Kept, signed: Signed, position: int) -> bool:
    there = kept.of_size(signed.checkpoint.size)
    return there is not None and there.position <= position and read_checkpoint(there.body) == signed.checkpoint

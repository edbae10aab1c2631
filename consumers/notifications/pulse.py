"""How old what is known of careers is: the relay's heartbeats against the positions of this service."""

import json
from collections.abc import Sequence
from datetime import datetime

from consumers.database import Transaction
from consumers.kit.heartbeats import is_reached, read_so_far
from ledger.wire.letters import Heartbeat
from ledger.wire.topics import STATE

TABLES = ("CREATE TABLE IF NOT EXISTS notifications_pulse (name TEXT PRIMARY KEY, complete_at TEXT NOT NULL, "
          "offsets TEXT NOT NULL)",)
"""The last heartbeat whose messages have all been read (`reached`), one that is waited for while newer ones come
(`awaited`), and the `newest`."""


def beat(tx: Transaction, found: Sequence[Heartbeat]) -> None:
    """Keeps the newest of the state topic."""
    ours = [one for one in found if one.topic == STATE]
    if ours:
        offsets = json.dumps(ours[-1].offsets)
        _put(tx, "newest", ours[-1].complete_at, offsets)
        tx.run("INSERT INTO notifications_pulse (name, complete_at, offsets) VALUES ('awaited', :at, :offsets) "
               "ON CONFLICT (name) DO NOTHING", {"at": ours[-1].complete_at, "offsets": offsets})


def age_seconds(tx: Transaction, now: datetime) -> float | None:
    """The age of what has been read of the state topic; None where no heartbeat was ever reached."""
    held: dict[str, tuple[str, str]] = {name: (at, offsets) for name, at, offsets in tx.ask(
        "SELECT name, complete_at, offsets FROM notifications_pulse")}
    if held.get("newest") != held.get("reached"):
        read = read_so_far(tx, "notifications", STATE)
        name = next((name for name in ("newest", "awaited") if name in held
                     and is_reached(json.loads(held[name][1]), read)), None)
        if name is not None:
            _put(tx, "reached", *held[name])
            _put(tx, "awaited", *held["newest"])
            held["reached"] = held[name]
    if "reached" not in held:
        return None
    return (now - datetime.fromisoformat(held["reached"][0])).total_seconds()


def _put(tx: Transaction, name: str, complete_at: str, offsets: str) -> None:
    tx.run("INSERT INTO notifications_pulse (name, complete_at, offsets) VALUES (:name, :at, "
           ":offsets) ON CONFLICT (name) DO UPDATE SET complete_at = excluded.complete_at, offsets = excluded.offsets",
           {"name": name, "at": complete_at, "offsets": offsets})

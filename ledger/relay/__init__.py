"""From the log to Kafka: every event, every current answer, and a heartbeat.

Two lanes, each with a position of its own in the ledger's database: the events lane copies the log to
`career.events.v1`, the state lane computes the students of new events from their whole streams and sends them to
`career.state.v1`. A process of its own prepares a lane's next messages (`prepare`) while a thread sends the ones
before (`lane`). `relay` holds the lock that makes it the only one, `again` publishes once more what somebody
lost, `positions` is the table.

A message is sent at least once and in order per student: the position moves only after every acknowledgement, and
whatever fails begins again at the stored position.
"""

from .again import digests, publish_from, replay
from .left import left
from .positions import Displaced, Positions, status
from .relay import Relay, Restart
from .tails import beyond

__all__ = ["Displaced", "Positions", "Relay", "Restart", "beyond", "digests", "left", "publish_from", "replay",
           "status"]

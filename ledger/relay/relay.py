"""`career-ledger publish`: two lanes under one lock."""

import time
from collections.abc import Callable
from threading import Event as Flag

from kafka.errors import KafkaError, RetriableError

from ledger.domain.books import LawBooks
from ledger.domain.edition import EDITION
from ledger.edges.log import Note
from ledger.edges.watch import Watch
from ledger.projections.everybody import open_database
from ledger.projections.everybody.database import ProjectionDatabase
from ledger.store import StoreUnavailable, open_store
from ledger.wire.kafka import KafkaUnusable, Made, create_topics, history_of, prefix
from ledger.wire.message import History
from ledger.wire.state import VERSION
from ledger.wire.topics import EVENTS, HEARTBEAT, STATE, TOPICS

from .lane import Lane
from .positions import Positions, TopicPosition, older
from .prepare import EVENTS_CHUNK, STATES_CHUNK, EventSource, Preparer, StateSource, latest, now
from .tails import AboveTheLog, check_history

PAUSE_SECONDS = 1.0
WATCH_SECONDS = 0.25
"""The lanes are looked at, and look at the log, this often, and whenever the database says
that something was appended."""
STOP_SECONDS = 10.0
"""How long a chunk that is on its way is waited for at the end; it is sent again next time otherwise."""
HEAD_START_SECONDS = 60.0
"""While much is behind the events go first, for so long at most: states that are computed later are computed once."""
SLOW_SECONDS = 30.0
"""After so long without an acknowledgement something is said."""


class Restart(Exception):
    """The database went away, and the lock with it, or the brokers before anything was sent: whatever is on its way
    must be dropped with this process, and a new one begins at the stored position."""


class Relay:
    """`say` gets a line for people whenever something changes. `chunks`: how many events of the log the events lane and
    the state lane take before they store their position."""

    def __init__(self, url: str, books: LawBooks, brokers: str, partitions: int, replicas: int | None,
                 say: Callable[[str], None] = lambda _: None,
                 chunks: tuple[int, int] = (EVENTS_CHUNK, STATES_CHUNK), watch: Watch | None = None) -> None:
        self._url, self._books, self._brokers, self._say = url, books, brokers, say
        self._partitions, self._replicas, self._chunks = partitions, replicas, chunks
        self._watch = watch or Watch()
        self._told: dict[str, int] = {}
        """Events of each topic that `watch` knows of."""

    def run(self, stop: Flag, once: bool = False) -> None:
        """Publishes until `stop` is set; `once`: until everything recorded is published, by this
        process or by the active one.

        Raises Restart where the database or the brokers went away and StoreUnavailable where the database was away from
        the beginning, Undelivered where Kafka refuses a message, KafkaUnusable for topics that cannot be used,
        KafkaError where Kafka cannot be used or (only with `once`) no broker answers. The lanes may still run then,
        except after StoreUnavailable: end the process."""
        with Positions(self._url) as positions:
            positions.prepare()
        topics = self._topics(stop, once)
        if topics is None:
            return
        standing_by = False
        with open_database(self._url) as database, Positions(self._url) as positions:
            with open_store(self._url, create=False) as store:
                store.adopt_key()
                identity = store.identity()
            history = history_of(identity.origin, identity.epoch)
            while not stop.is_set():
                with database.backend.lock(f"relay{prefix()}") as leader:
                    if leader:
                        try:
                            self._publish(database, positions, topics, history, stop, once)
                        except StoreUnavailable as error:
                            raise Restart(str(error)) from error
                        return
                if once and self._is_published(positions, topics):
                    return
                if not standing_by:
                    self._say(Note("relay/standing-by", "another process publishes: standing by"))
                standing_by = True
                self._watch.turn(works=False)
                stop.wait(PAUSE_SECONDS)

    def _topics(self, stop: Flag, once: bool) -> dict[str, Made] | None:
        """The topics, as soon as a broker answers; None when stopped before."""
        told = False
        while not stop.is_set():
            try:
                return create_topics(self._brokers, self._partitions, self._replicas)
            except KafkaError as error:
                if once or not isinstance(error, RetriableError):
                    raise
                if not told:
                    self._say(Note("relay/no-broker", "no broker answers at {brokers} ({error}): trying again",
                                   "warning", brokers=self._brokers, error=type(error).__name__))
                told = True
                self._watch.retry()
                stop.wait(PAUSE_SECONDS)
        return None

    def _publish(self, database: ProjectionDatabase, positions: Positions, topics: dict[str, Made], history: History,
                 stop: Flag, once: bool) -> None:
        positions.check_clock()
        with open_store(self._url, create=False) as store:
            try:
                check_history(store, history, self._brokers, topics)
            except AboveTheLog as error:
                positions.reached(topics[EVENTS], error.reached)
                raise
        lanes = [self._lane(positions, topics, history, name) for name in (EVENTS, STATE)]
        for lane in lanes:
            if lane.standing.position > positions.last_position():
                raise KafkaUnusable(older(lane.standing, positions.last_position()))
        lanes[0].begin.set()
        for lane in lanes:
            lane.start()
        try:
            self._watch_over(lanes, database, positions, stop, once)
        except BaseException:
            for lane in lanes:
                lane.abandon()
            raise

    def _watch_over(self, lanes: list[Lane], database: ProjectionDatabase, positions: Positions, stop: Flag,
                    once: bool) -> None:
        """Wakes the lanes until they are to stop, and stops them. Raises what ended one of
        them, or the loss of the lock."""
        slow: set[str] = set()
        events, states, head_start = *lanes, time.monotonic() + HEAD_START_SECONDS
        while not stop.is_set() and not (once and all(lane.caught_up.is_set() for lane in lanes)):
            database.backend.wait(WATCH_SECONDS)
            for lane in lanes:
                self._check(lane, positions)
                lane.wake()
            if events.caught_up.is_set() or time.monotonic() > head_start:
                states.begin.set()
            slow = self._slow(lanes, positions, slow)
            self._show(lanes, positions, well=not slow)
        for lane in lanes:
            lane.stop.set()
        until = time.monotonic() + STOP_SECONDS
        for lane in lanes:
            lane.join(max(0.0, until - time.monotonic()))
            self._check(lane, positions)
            if lane.is_alive():
                self._say(Note("relay/not-acknowledged", "{topic}: the last messages were not acknowledged; they are "
                               "sent again at the next start", "warning", topic=lane.standing.topic))

    def _lane(self, positions: Positions, topics: dict[str, Made], history: History, name: str) -> Lane:
        made, topic = topics[name], next(t for t in TOPICS if t.name == name)
        standing = positions.begin(made, f"{VERSION}.{EDITION}:{self._books.identity}" if name == STATE else "", now())
        if standing.complete_at is not None and standing.complete_at[:19] > latest():
            self._say(Note("relay/clock-behind", "{topic}: said to be complete up to {moment}, which has not come by "
                           "this machine's clock: no heartbeat speaks of it", "warning", topic=made.name,
                           moment=standing.complete_at))
            standing = standing.known(None)
        self._say(Note("relay/publishing", "publishing {topic} from position {position}", topic=made.name,
                       position=standing.position))

        aside = {one.stream.hex: one.position for one in positions.aside(made.name)}

        def prepare(at: TopicPosition) -> Preparer:
            common = {"after": at.position, "partitions": at.partitions, "history": history, "aside": aside}
            if name == EVENTS:
                return Preparer(self._url, EventSource, common | {"chunk": self._chunks[0]})
            return Preparer(self._url, StateSource, common | {"chunk": self._chunks[1], "books": self._books})

        return Lane(self._url, self._brokers, topic, standing, topics[HEARTBEAT].name, history, prepare, self._say)

    def _check(self, lane: Lane, positions: Positions) -> None:
        """Raises what ended a lane, after it was kept for `publish --status`."""
        if lane.failure is None:
            return
        text = str(lane.failure) or type(lane.failure).__name__
        positions.failed([lane.standing.topic], text, now())
        if isinstance(lane.failure, StoreUnavailable | RetriableError):
            raise Restart(text) from lane.failure
        raise lane.failure

    def _show(self, lanes: list[Lane], positions: Positions, well: bool) -> None:
        """Tells `watch` how far the topics go. A lane that Kafka acknowledges nothing to is not well."""
        if well:
            self._watch.turn()
        if not self._watch.due():
            return
        self._watch.log_ends(positions.last_position())
        for lane in lanes:
            name, sent = lane.topic.name, lane.sent
            self._watch.stands(name, lane.standing.position, sent - self._told.get(name, 0))
            self._told[name] = sent
            self._watch.aside(name, len(positions.aside(lane.standing.topic)))

    def _slow(self, lanes: list[Lane], positions: Positions, told: set[str]) -> set[str]:
        """Says once of each topic when Kafka acknowledges nothing for long, and when it does again.
        The topics that still wait."""
        slow = {lane.standing.topic for lane in lanes
                if (since := lane.waiting_since) is not None and time.monotonic() - since > SLOW_SECONDS}
        for topic in sorted(slow - told):
            text = f"Kafka has acknowledged nothing for {SLOW_SECONDS:.0f} seconds: are the brokers up?"
            positions.failed([topic], text, now())
            self._say(Note("relay/slow", "{topic}: {text}", "warning", topic=topic, text=text, seconds=SLOW_SECONDS))
        for topic in sorted(told - slow):
            self._say(Note("relay/acknowledged-again", "{topic}: Kafka acknowledges again", topic=topic))
        return slow

    @staticmethod
    def _is_published(positions: Positions, topics: dict[str, Made]) -> bool:
        last, mine = positions.last_position(), {topics[EVENTS].name, topics[STATE].name}
        found = [one for one in positions.all() if one.topic in mine]
        return len(found) == len(mine) and all(one.position >= last for one in found)

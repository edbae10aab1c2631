"""The smaller messages: the relay's heartbeat, the outcome of a submission, and what a consumer could not use."""

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from .message import Header, History, Message, cloud_headers, encode
from .models import AnyDay, FactRef, FromOne, Moment, SourceRef, Wire
from .topics import DEAD_LETTER, HEARTBEAT, OUTCOMES

FromZero = Annotated[int, Field(ge=0, le=2**53 - 1), WithJsonSchema({"minimum": 0, "type": "integer"})]
"""The limit of what readers count with is not in the schema, which promised none."""


class Heartbeat(Wire):
    """Sent every few seconds, once for each topic that the relay fills (`topic`, also the key).

    Everything committed to the ledger up to `complete_at` (UTC instant) had been acknowledged when it was sent: where
    the reader has consumed each partition up to `offsets` (partition -> offset of the next message), its knowledge is
    as old as `complete_at`.
    `position` is the log's position that the topic reflects, `at` the relay's clock."""

    topic: str
    at: Moment
    complete_at: Moment
    position: FromZero
    offsets: dict[Annotated[int, Field(ge=0, strict=False)], FromZero]

    def message(self, history: History) -> Message:
        value = encode(self.model_dump())
        return Message(HEARTBEAT, self.topic.encode(), value, cloud_headers(
            f"{self.topic}@{self.at}", history, "career.heartbeat.v1", self.at, self.topic,
            "urn:career-ledger:heartbeat:v1"))


class ClearsRef(Wire):
    """What would remove a reason, and from when (null: no day is known)."""

    what: str
    from_: AnyDay | None = Field(default=None, alias="from")


class ReasonRef(Wire):
    """A rule that says no, as in section 6; `clears` null where nothing removes it. `message_id` and `params`: the same
    without words."""

    rule: str
    message: str
    message_id: str | None = None
    params: dict[str, Any] | None = None
    source: SourceRef
    clears: ClearsRef | None = None
    interpretation: str | None = None
    facts: tuple[FactRef, ...] = ()


class ProblemRef(Wire):
    """Something malformed: the path of the field and what to write instead. `message_id` and `params`: the same without
    words."""

    path: str
    message: str
    message_id: str | None = None
    params: dict[str, Any] | None = None


class Outcome(Wire):
    """Section 2's outcome of a submission, on `career.outcomes.v1`; key and header `submission_id` correlate it. `id`
    is null where none could be read; `position` and `version` stand with `accepted` and `duplicate`, `breaches` with
    what was recorded in breach. A `duplicate` whose event has been voided since names the void in `voided_by`: it
    counts for nothing, and the fact needs a new id."""

    id: str | None
    outcome: Literal["accepted", "duplicate", "refused", "invalid"]
    position: FromOne | None = None
    version: FromOne | None = None
    voided_by: str | None = None
    breaches: tuple[str, ...] = ()
    reasons: tuple[ReasonRef, ...] = ()
    problems: tuple[ProblemRef, ...] = ()


def outcome_message(student: bytes, outcome: dict[str, Any], at: str, history: History,
                    traceparent: bytes | None = None) -> Message:
    """The message of an outcome; `student` is the key of the submission, `at` the instant of the answer. The header
    `submission_id` is absent where no id could be read."""
    id_, key = outcome["id"], student.decode("utf-8", "replace")
    headers: list[Header] = cloud_headers(
        f"{key}/{id_ or at}/{outcome['outcome']}", history, "career.outcome.v1", at, key,
        "urn:career-ledger:outcome:v1")
    if id_ is not None:
        headers.insert(0, ("submission_id", id_.encode()))
    if traceparent is not None:
        headers.append(("traceparent", traceparent))
    return Message(OUTCOMES, student, encode(outcome), headers)


def dead_letter(consumer: str, error: str, topic: str, partition: int, offset: int, key: bytes | None,
                value: bytes | None, headers: list[Header]) -> Message:
    """A message that could not be used, as it came, with the error and the place. `error` names no content of the
    message."""
    about: list[Header] = [
        ("dead_letter_consumer", consumer.encode()), ("dead_letter_error", error.encode()),
        ("dead_letter_topic", topic.encode()),
        ("dead_letter_partition", b"%d" % partition), ("dead_letter_offset", b"%d" % offset)]
    return Message(DEAD_LETTER, key, value, [*(h for h in headers if not h[0].startswith("dead_letter_")), *about])
